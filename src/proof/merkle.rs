//! An append-only Merkle tree (RFC 9162 §2.1, the same as RFC 6962's) over SHA-256.
//!
//! Nothing here holds a tree: whoever has one answers for its complete subtrees ([`Node`]), be it
//! a list, a table or tiles. What is not complete is computed from those that are.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::encoding;

/// A SHA-256 hash; in JSON as base64 with padding, as in a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The plain SHA-256 of bytes, of which a tree knows nothing.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// # Errors
    /// Not canonical base64 of 32 bytes.
    pub fn parse(text: &str) -> super::Result<Self> {
        let bytes = encoding::of_base64(text)?;
        bytes.try_into().map(Self).map_err(|_| crate::text!("Une empreinte a 32 octets.", "A hash has 32 bytes."))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&encoding::base64(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The hash of an entry as a leaf (RFC 9162 §2.1.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash over two subtrees (RFC 9162 §2.1.1).
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// A complete subtree: 2^`level` leaves, the first of which is leaf `index` · 2^`level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Height over the leaves, 0 to 63.
    pub level: u32,
    /// Place among those of its level, from 0.
    pub index: u64,
}

impl Node {
    /// Whether a tree of this many leaves has all of its leaves.
    pub fn is_within(self, size: u64) -> bool {
        self.level < 64 && self.index < size >> self.level
    }
}

/// Several subtrees side by side, the last ones ever smaller, as one hash.
fn fold(peaks: &[Hash]) -> Hash {
    let over = peaks.iter().rev().copied().reduce(|right, left| node_hash(left, right));
    over.unwrap_or_else(|| Hash::of(b""))
}

/// The complete subtrees of which a tree is made, from the largest: all it takes to append.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of a tree of `size` leaves, from whoever holds it. Asks for at most 64 nodes.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn load<E>(size: u64, mut source: impl FnMut(Node) -> Result<Hash, E>) -> Result<Self, E> {
        let peaks = peaks(0, size).into_iter().map(&mut source).collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. What is returned is to be kept: the leaf and each subtree it completes.
    pub fn push(&mut self, leaf: Hash) -> Vec<(Node, Hash)> {
        let mut made = vec![(Node { level: 0, index: self.size }, leaf)];
        let (mut hash, mut level) = (leaf, 0);
        while (self.size >> level) & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(left, hash);
            level += 1;
            made.push((Node { level, index: self.size >> level }, hash));
        }
        self.peaks.push(hash);
        self.size += 1;
        made
    }

    /// The root (RFC 9162 §2.1.1); of no leaves, the hash of nothing.
    pub fn root(&self) -> Hash {
        fold(&self.peaks)
    }
}

/// The complete subtrees of `start..end`, where no subtree of that width begins before `start`.
fn peaks(start: u64, end: u64) -> Vec<Node> {
    let mut at = start;
    let mut peaks = Vec::new();
    while let Some(level) = end.saturating_sub(at).checked_ilog2() {
        peaks.push(Node { level, index: at >> level });
        at += 1 << level;
    }
    peaks
}

fn range_root<E>(start: u64, end: u64, source: &mut impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    let hashes: Vec<Hash> = peaks(start, end).into_iter().map(source).collect::<Result<_, E>>()?;
    Ok(fold(&hashes))
}

/// Where a tree of `size` > 1 leaves is divided: the largest power of two below `size`.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The root of a tree of `size` leaves.
///
/// # Errors
/// Those of `source`.
pub fn root<E>(size: u64, source: impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    Frontier::load(size, source).map(|frontier| frontier.root())
}

/// The proof that leaf `index` is in the tree of `size` leaves, from the leaf upwards
/// (RFC 9162 §2.1.3.1); none when the tree has no such leaf.
///
/// # Errors
/// Those of `source`.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut source: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_root(middle, end, &mut source)?);
            end = middle;
        } else {
            proof.push(range_root(start, middle, &mut source)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The proof that the tree of `first` leaves is how the tree of `second` leaves begins
/// (RFC 9162 §2.1.4.1); none when `first` is the larger. Of no leaves, and of the same tree, it is
/// empty.
///
/// # Errors
/// Those of `source`.
pub fn consistency<E>(
    first: u64,
    second: u64,
    mut source: impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if first > second {
        return Ok(None);
    }
    if first == 0 || first == second {
        return Ok(Some(Vec::new()));
    }
    let (mut start, mut end) = (0, second);
    let mut proof = Vec::new();
    // The subtree that ends with the first tree: it is the last to be divided.
    while end != first {
        let middle = start + split(end - start);
        if first <= middle {
            proof.push(range_root(middle, end, &mut source)?);
            end = middle;
        } else {
            proof.push(range_root(start, middle, &mut source)?);
            start = middle;
        }
    }
    // Known to who knows the first tree's root when it is the whole of it.
    if start != 0 {
        proof.push(range_root(start, end, &mut source)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Whether a leaf is at `index` of the tree of `size` leaves with this root (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for &beside in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(beside, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(hash, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Whether the tree of `first` leaves is how the tree of `second` leaves begins, by their roots
/// (RFC 9162 §2.1.4.2).
pub fn verify_consistency(first: u64, second: u64, first_root: Hash, second_root: Hash, proof: &[Hash]) -> bool {
    if first == 0 || first == second {
        let is_known = if first == 0 { first_root == Hash::of(b"") } else { first_root == second_root };
        let is_empty = second != 0 || second_root == Hash::of(b"");
        return first <= second && proof.is_empty() && is_known && is_empty;
    }
    if first > second {
        return false;
    }
    let whole = first.is_power_of_two().then_some(first_root);
    let mut path = whole.into_iter().chain(proof.iter().copied());
    let Some(seed) = path.next() else { return false };
    let shift = (first - 1).trailing_ones();
    let (mut node, mut last) = ((first - 1) >> shift, (second - 1) >> shift);
    let (mut old, mut new) = (seed, seed);
    for beside in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(beside, old);
            new = node_hash(beside, new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(new, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == first_root && new == second_root
}

#[cfg(test)]
pub(in crate::proof) mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;

    /// A tree in memory: what others keep in tables.
    #[derive(Default)]
    pub(in crate::proof) struct Tree {
        pub frontier: Frontier,
        pub nodes: HashMap<Node, Hash>,
    }

    impl Tree {
        pub fn push(&mut self, entry: &[u8]) -> u64 {
            self.nodes.extend(self.frontier.push(leaf_hash(entry)));
            self.frontier.size() - 1
        }

        pub fn source(&self) -> impl Fn(Node) -> Result<Hash, Infallible> + '_ {
            |node| Ok(self.nodes[&node])
        }

        pub fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
            inclusion(index, size, self.source()).expect("infallible").expect("a leaf")
        }

        pub fn consistency(&self, first: u64, second: u64) -> Vec<Hash> {
            consistency(first, second, self.source()).expect("infallible").expect("a smaller tree")
        }

        pub fn root(&self, size: u64) -> Hash {
            root(size, self.source()).expect("infallible")
        }
    }

    pub(in crate::proof) fn tree_of(size: u64) -> Tree {
        let mut tree = Tree::default();
        for leaf in 0..size {
            tree.push(&leaf.to_be_bytes());
        }
        tree
    }

    /// Numbers that look random and are the same in every run (xorshift64).
    pub(in crate::proof) struct Chance(pub u64);

    impl Chance {
        pub fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }

        pub fn index(&mut self, bound: usize) -> usize {
            usize::try_from(self.below(bound as u64)).expect("small")
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    /// The leaves and roots that implementations of RFC 6962 have shared since the first.
    #[test]
    fn the_known_roots_come_out() {
        let leaves =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(tree.frontier.root().0.to_vec(), hex(roots[0]));
        for (leaf, root) in leaves.iter().zip(&roots[1..]) {
            tree.push(&hex(leaf));
            assert_eq!(tree.frontier.root().0.to_vec(), hex(root));
        }
        let one = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
        assert_eq!(tree.inclusion(0, 8)[0].0.to_vec(), hex(one));
        let known = [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        let proof: Vec<Vec<u8>> = tree.consistency(6, 8).iter().map(|hash| hash.0.to_vec()).collect();
        assert_eq!(proof, known.map(hex));
    }

    /// Every proof of every tree, beside those of an implementation that shares nothing with this one.
    #[test]
    fn every_proof_of_every_small_tree_is_the_one_others_give() {
        const SIZE: u64 = 300;
        let tree = tree_of(SIZE);
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for size in 1..=SIZE {
            other.push((size - 1).to_be_bytes().to_vec());
            let root = tree.root(size);
            assert_eq!(&root.0[..], &other.root().as_bytes()[..], "{size}");
            for index in 0..size {
                let proof = tree.inclusion(index, size);
                let bytes: Vec<u8> = proof.iter().flat_map(|hash| hash.0).collect();
                assert_eq!(bytes, other.prove_inclusion(index as usize).as_bytes(), "{index} of {size}");
                assert!(verify_inclusion(leaf_hash(&index.to_be_bytes()), index, size, &proof, root));
            }
            for first in 0..=size {
                let proof = tree.consistency(first, size);
                assert!(verify_consistency(first, size, tree.root(first), root, &proof), "{first} of {size}");
                if first != 0 && first != size {
                    let bytes: Vec<u8> = proof.iter().flat_map(|hash| hash.0).collect();
                    let theirs = other.prove_consistency((size - first) as usize);
                    assert_eq!(bytes, theirs.as_bytes(), "{first} of {size}");
                }
            }
        }
    }

    #[test]
    fn what_is_out_of_range_has_no_proof() {
        let tree = tree_of(5);
        let source = || tree.source();
        assert_eq!(inclusion(5, 5, source()), Ok(None));
        assert_eq!(inclusion(0, 0, source()), Ok(None));
        assert_eq!(consistency(6, 5, source()), Ok(None));
        assert!(!verify_inclusion(leaf_hash(b""), 0, 0, &[], Hash::of(b"")));
        assert!(!verify_consistency(5, 4, tree.root(5), tree.root(4), &[]));
        assert!(!verify_consistency(0, 0, Hash::of(b""), tree.root(5), &[]));
        assert!(!verify_consistency(0, 5, tree.root(5), tree.root(5), &[]));
        assert!(!verify_inclusion(leaf_hash(b""), u64::MAX - 1, u64::MAX, &[Hash::of(b""); 63], Hash::of(b"")));
        assert_eq!(Frontier::load::<Infallible>(u64::MAX, |_| Ok(Hash::of(b""))).expect("loaded").peaks.len(), 64);
        assert!(Node { level: 2, index: 0 }.is_within(4) && !Node { level: 2, index: 1 }.is_within(7));
    }

    /// Changes `count` proofs each in one way at random, and asserts that none of them is believed.
    fn mutations_are_refused(count: u64) {
        const SIZE: u64 = 300;
        let tree = tree_of(SIZE);
        let roots: Vec<Hash> = (0..=SIZE).map(|size| tree.root(size)).collect();
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
        let mut refused = 0;
        while refused < count {
            let second = 2 + chance.below(SIZE - 1);
            let first = 1 + chance.below(second - 1);
            let index = first - 1;
            let is_inclusion = chance.below(2) == 0;
            let good = if is_inclusion { tree.inclusion(index, second) } else { tree.consistency(first, second) };
            // What is claimed: leaf or first root, positions, second root.
            let claimed = if is_inclusion { leaf_hash(&index.to_be_bytes()) } else { roots[first as usize] };
            let (mut claim, mut place, mut size) = (claimed, if is_inclusion { index } else { first }, second);
            let (mut root, mut proof) = (roots[second as usize], good.clone());
            let flip = |hash: &mut Hash, chance: &mut Chance| hash.0[chance.index(32)] ^= 1 << chance.below(8);
            let at = |chance: &mut Chance, proof: &[Hash]| chance.index(proof.len());
            match chance.below(11) {
                0 => flip(&mut claim, &mut chance),
                1 => flip(&mut root, &mut chance),
                2 if !proof.is_empty() => {
                    let at = at(&mut chance, &proof);
                    flip(&mut proof[at], &mut chance);
                }
                3 if !proof.is_empty() => {
                    let at = at(&mut chance, &proof);
                    proof[at].0[chance.index(32)] ^= 1 + chance.below(255) as u8;
                }
                4 if !proof.is_empty() => {
                    proof.remove(at(&mut chance, &proof));
                }
                5 => {
                    let at = chance.index(proof.len() + 1);
                    let more = roots[chance.index(roots.len())];
                    proof.insert(at, more);
                }
                6 if proof.len() > 1 => {
                    let (one, other) = (at(&mut chance, &proof), at(&mut chance, &proof));
                    proof.swap(one, other);
                }
                7 if !proof.is_empty() => proof.truncate(at(&mut chance, &good)),
                8 => place = chance.below(SIZE + 2),
                9 => size = 1 + chance.below(SIZE),
                10 => proof = tree.inclusion(chance.below(second), second),
                _ => {}
            }
            let is_same = proof == good && claim == claimed && root == roots[second as usize];
            let is_believed = if is_inclusion {
                verify_inclusion(claim, place, size, &proof, root)
            } else {
                verify_consistency(place, size, claim, root, &proof)
            };
            // A shape that several places or sizes share is proved by the same hashes; whoever
            // verifies has both from a signed checkpoint, so they are not part of the proof.
            let is_elsewhere = is_same && (place, size) != (if is_inclusion { index } else { first }, second);
            if is_same && !is_elsewhere {
                assert!(is_believed, "unchanged");
                continue;
            }
            if is_elsewhere && is_believed {
                // Same path, another size: the known ambiguity. The place is never another.
                assert_eq!(place, if is_inclusion { index } else { first });
                continue;
            }
            assert!(!is_believed, "{place} of {size}: {proof:?}");
            refused += 1;
        }
        assert_eq!(refused, count);
    }

    #[test]
    fn no_changed_proof_is_believed() {
        mutations_are_refused(20_000);
    }

    #[test]
    #[ignore = "takes a minute: `cargo test --lib no_proof_of_a_million -- --ignored`"]
    fn no_proof_of_a_million_changed_ones_is_believed() {
        mutations_are_refused(1_000_000);
    }

    #[test]
    fn every_bit_of_a_proof_counts() {
        let tree = tree_of(11);
        for (first, index) in [(6, 10), (3, 0), (7, 4)] {
            let mut proof = tree.inclusion(index, 11);
            let mut consistent = tree.consistency(first, 11);
            let leaf = leaf_hash(&index.to_be_bytes());
            for bit in 0..proof.len() * 256 {
                proof[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
                assert!(!verify_inclusion(leaf, index, 11, &proof, tree.root(11)));
                proof[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
            }
            for bit in 0..consistent.len() * 256 {
                consistent[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
                assert!(!verify_consistency(first, 11, tree.root(first), tree.root(11), &consistent));
                consistent[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
