//! Sets of documents of one segment.

use tantivy::index::SegmentReader;
use tantivy::{BitSet, DocId};

/// A set of documents, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docs(Vec<u64>);

impl Docs {
    pub fn none(max_doc: DocId) -> Self {
        Self(vec![0; max_doc.div_ceil(64) as usize])
    }

    /// None of the same segment.
    pub fn none_of(&self) -> Self {
        Self(vec![0; self.0.len()])
    }

    /// Those that were not taken out again.
    pub fn alive(segment: &SegmentReader) -> Self {
        let mut docs = Self::none(segment.max_doc());
        for (at, word) in docs.0.iter_mut().enumerate() {
            let left = (segment.max_doc() as usize).saturating_sub(at * 64);
            *word = if left >= 64 { u64::MAX } else { (1 << left) - 1 };
        }
        if let Some(alive) = segment.alive_bitset() {
            // Its words are to be had from a set that it was met with.
            let mut met = BitSet::with_max_value_and_full(segment.max_doc());
            met.intersect_update(alive.bitset());
            for (word, bucket) in docs.0.iter_mut().zip(0..) {
                *word = u64::from_le_bytes(met.tinyset(bucket).into_bytes());
            }
        }
        docs
    }

    pub fn add(&mut self, doc: DocId) {
        if let Some(word) = self.0.get_mut(doc as usize / 64) {
            *word |= 1 << (doc % 64);
        }
    }

    pub fn has(&self, doc: DocId) -> bool {
        self.0.get(doc as usize / 64).is_some_and(|word| word & (1 << (doc % 64)) != 0)
    }

    pub fn join(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    /// Joins what two others share.
    pub fn join_shared(&mut self, one: &Self, other: &Self) {
        let shared = one.0.iter().zip(&other.0).map(|(one, other)| one & other);
        self.0.iter_mut().zip(shared).for_each(|(word, shared)| *word |= shared);
    }

    pub fn meets(&self, others: &Self) -> bool {
        self.0.iter().zip(&others.0).any(|(word, other)| word & other != 0)
    }

    pub fn keep(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word &= other);
    }

    pub fn drop(&mut self, others: &Self) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word &= !other);
    }

    /// How many of these are among others, too.
    pub fn shared(&self, others: &Self) -> u64 {
        self.0.iter().zip(&others.0).map(|(word, other)| u64::from((word & other).count_ones())).sum()
    }

    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many words of 64 bits it takes.
    pub fn words(&self) -> u64 {
        self.0.len() as u64
    }

    pub fn iter(&self) -> impl Iterator<Item = DocId> + '_ {
        self.0.iter().zip(0u32..).flat_map(|(word, at)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                (bit < 64).then(|| {
                    word &= word - 1;
                    at * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Docs;

    #[test]
    fn a_set_has_what_was_added() {
        let mut docs = Docs::none(130);
        [0, 63, 64, 129].into_iter().for_each(|doc| docs.add(doc));
        assert_eq!(docs.iter().collect::<Vec<_>>(), [0, 63, 64, 129]);
        let mut others = Docs::none(130);
        [63, 129].into_iter().for_each(|doc| others.add(doc));
        let mut both = docs.clone();
        both.keep(&others);
        docs.drop(&others);
        assert_eq!((both.iter().collect::<Vec<_>>(), docs.count()), (vec![63, 129], 2));
        assert!(docs.has(64) && !docs.has(129) && !docs.has(500));
    }
}
