//! What reviews amount to: counts and averages, in whole numbers, so that
//! anyone can compute them again.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::content::ReviewRatings;

/// Fewer reviews than this have no average: it would say too much about each.
pub const FEWEST: i64 = 3;

/// An average rating between 1 and 5, exact to two decimals: hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = f64, minimum = 1, maximum = 5, example = 4.33)]
pub struct Average(i32);

impl Average {
    /// Of ratings with this sum, rounded once, half to even; none of too few.
    pub fn of(sum: i64, count: i64) -> Option<Self> {
        if count < FEWEST {
            return None;
        }
        let (quotient, rest) = (sum * 100 / count, sum * 100 % count);
        let up = match (rest * 2).cmp(&count) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
        };
        i32::try_from(quotient + i64::from(up)).ok().map(Self)
    }

    pub fn hundredths(self) -> i32 {
        self.0
    }
}

impl Serialize for Average {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Average {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if !(1.0..=5.0).contains(&number) {
            return Err(serde::de::Error::custom("an average rating lies between 1 and 5"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "between 100 and 500")]
        let hundredths = (number * 100.0).round() as i32;
        Ok(Self(hundredths))
    }
}

/// What the reviews of a solution amount to: those published within 36 months.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewRating {
    /// How many reviews count.
    #[schema(minimum = 0)]
    pub count: i64,
    /// Average overall rating; null under three reviews.
    pub overall: Option<Average>,
    /// Averages by axis.
    pub ratings: AxisAverages,
    /// How many reviews gave each overall rating; null under three reviews.
    pub distribution: Option<RatingDistribution>,
}

/// Averages by axis; null while fewer than three reviews rate the axis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AxisAverages {
    /// Does what is needed.
    pub fitness: Option<Average>,
    /// Is easy to use.
    pub ease_of_use: Option<Average>,
    /// Is there and works when needed.
    pub reliability: Option<Average>,
    /// Help comes, and helps.
    pub support: Option<Average>,
    /// Is worth what it costs.
    pub value: Option<Average>,
}

/// How many reviews gave each overall rating.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RatingDistribution {
    /// Gave 1.
    #[schema(minimum = 0)]
    #[serde(rename = "1")]
    pub one: i64,
    /// Gave 2.
    #[schema(minimum = 0)]
    #[serde(rename = "2")]
    pub two: i64,
    /// Gave 3.
    #[schema(minimum = 0)]
    #[serde(rename = "3")]
    pub three: i64,
    /// Gave 4.
    #[schema(minimum = 0)]
    #[serde(rename = "4")]
    pub four: i64,
    /// Gave 5.
    #[schema(minimum = 0)]
    #[serde(rename = "5")]
    pub five: i64,
}

/// A sum and of how many.
#[derive(Debug, Default)]
struct Sum(i64, i64);

impl Sum {
    fn add(&mut self, rating: Option<i32>) {
        if let Some(rating) = rating {
            self.0 += i64::from(rating);
            self.1 += 1;
        }
    }

    fn average(&self) -> Option<Average> {
        Average::of(self.0, self.1)
    }
}

/// Adds up the overall rating and the axes of each review that counts.
pub fn tally<'a>(reviews: impl IntoIterator<Item = (i32, &'a ReviewRatings)>) -> ReviewRating {
    let mut overall = Sum::default();
    let mut distribution = RatingDistribution::default();
    let (mut fitness, mut ease_of_use, mut reliability) = (Sum::default(), Sum::default(), Sum::default());
    let (mut support, mut value) = (Sum::default(), Sum::default());
    for (rating, ratings) in reviews {
        overall.add(Some(rating));
        match rating {
            1 => distribution.one += 1,
            2 => distribution.two += 1,
            3 => distribution.three += 1,
            4 => distribution.four += 1,
            _ => distribution.five += 1,
        }
        fitness.add(ratings.fitness);
        ease_of_use.add(ratings.ease_of_use);
        reliability.add(ratings.reliability);
        support.add(ratings.support);
        value.add(ratings.value);
    }
    ReviewRating {
        count: overall.1,
        overall: overall.average(),
        ratings: AxisAverages {
            fitness: fitness.average(),
            ease_of_use: ease_of_use.average(),
            reliability: reliability.average(),
            support: support.average(),
            value: value.average(),
        },
        distribution: (overall.1 >= FEWEST).then_some(distribution),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_average_is_the_nearest_hundredth_and_reads_back(ratings in prop::collection::vec(1..=5i64, 3..60)) {
            let (sum, count) = (ratings.iter().sum::<i64>(), i64::try_from(ratings.len()).expect("few"));
            let average = Average::of(sum, count).expect("enough");
            // |average − sum / count| ≤ 1/200, in whole numbers.
            prop_assert!((i64::from(average.hundredths()) * count - sum * 100).abs() * 2 <= count);
            prop_assert!((100..=500).contains(&average.hundredths()));
            let read: Average = serde_json::from_str(&serde_json::to_string(&average).expect("JSON")).expect("read");
            prop_assert_eq!(read, average);
        }

        #[test]
        fn the_order_of_reviews_does_not_matter(overall in prop::collection::vec(1..=5i32, 0..20)) {
            let none = ReviewRatings::default();
            let forth = tally(overall.iter().map(|rating| (*rating, &none)));
            let back = tally(overall.iter().rev().map(|rating| (*rating, &none)));
            prop_assert_eq!(forth.overall.is_some(), overall.len() >= 3);
            prop_assert_eq!(forth, back);
        }
    }

    #[test]
    fn a_half_goes_to_the_even_hundredth() {
        // 33/8 = 4.125, 31/8 = 3.875.
        assert_eq!(Average::of(33, 8).map(Average::hundredths), Some(412));
        assert_eq!(Average::of(31, 8).map(Average::hundredths), Some(388));
        assert_eq!(Average::of(10, 2), None);
    }

    #[test]
    fn an_axis_that_few_rated_has_no_average() {
        let all = ReviewRatings { fitness: Some(4), ..ReviewRatings::default() };
        let one = ReviewRatings { support: Some(2), ..all.clone() };
        let rating = tally([(5, &all), (4, &all), (4, &one)]);
        assert_eq!(rating.overall.map(Average::hundredths), Some(433));
        assert_eq!(rating.ratings.fitness.map(Average::hundredths), Some(400));
        assert_eq!(rating.ratings.support, None);
        assert_eq!(rating.distribution, Some(RatingDistribution { four: 2, five: 1, ..RatingDistribution::default() }));
    }
}
