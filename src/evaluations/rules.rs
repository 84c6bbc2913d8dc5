//! Scores and states of evaluations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A score between 0 and 1, exact to four decimals: ten-thousandths.
///
/// Everything is computed in whole numbers and rounded once, half to even, so
/// that anyone can compute it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = f64, minimum = 0, maximum = 1, example = 0.7321)]
pub struct Score(i32);

impl Score {
    pub const MAX: Self = Self(10_000);

    /// From ten-thousandths, as they are stored; none when negative.
    pub fn stored(ten_thousandths: i32) -> Option<Self> {
        (0..=10_000).contains(&ten_thousandths).then_some(Self(ten_thousandths))
    }

    pub fn ten_thousandths(self) -> i32 {
        self.0
    }

    /// The nearest score to a number; outside 0–1, the nearest end.
    pub fn from_unit(number: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 0–10,000")]
        let rounded = (number * 10_000.0).round().clamp(0.0, 10_000.0) as i32;
        Self(rounded)
    }

    /// `numerator / denominator` ten-thousandths, rounded half to even.
    pub fn ratio(numerator: i64, denominator: i64) -> Option<Self> {
        if denominator <= 0 || numerator < 0 {
            return None;
        }
        let (quotient, rest) = (numerator / denominator, numerator % denominator);
        let up = match (rest * 2).cmp(&denominator) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
        };
        i32::try_from(quotient + i64::from(up)).ok().and_then(Self::stored)
    }
}

impl Serialize for Score {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 10_000.0)
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&number) {
            Ok(Self::from_unit(number))
        } else {
            Err(serde::de::Error::custom("a score lies between 0 and 1"))
        }
    }
}
