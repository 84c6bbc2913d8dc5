//! The log as files that never change (C2SP tlog-tiles): tiles of 256 hashes, bundles of 256
//! entries, and where to find any hash among them.

use super::merkle::{Hash, Node, node_hash};

/// Levels of the tree in one tile.
pub const HEIGHT: u32 = 8;
/// Hashes or entries of a full tile.
pub const WIDTH: u16 = 256;
/// The longest entry, in bytes: its length takes two.
pub const MAX_ENTRY: usize = u16::MAX as usize;
/// Levels of tiles that a tree of less than 2^64 leaves can have.
const LEVELS: u8 = 8;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Hashes of this level of tiles: 0 over leaves, each further one over full tiles of the one
    /// below.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// A tile: a file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    pub content: Content,
    /// Place among those of its level, from 0.
    pub index: u64,
    /// How many it holds, 1 to 256; fewer than 256 only at the end of the tree.
    pub width: u16,
}

impl Tile {
    /// Its address below the log's prefix, as `tile/0/x001/x234/067.p/12`.
    pub fn path(self) -> String {
        let level = match self.content {
            Content::Hashes(level) => level.to_string(),
            Content::Entries => "entries".to_owned(),
        };
        let mut rest = self.index / 1000;
        let mut number = format!("{:03}", self.index % 1000);
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let part = if self.width == WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{level}/{number}{part}")
    }

    /// Reads an address; none when it is not one, or not in its one form.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse::<u16>().ok().filter(|width| *width < WIDTH)?),
            None => (rest, WIDTH),
        };
        let content = match level {
            "entries" => Content::Entries,
            level => Content::Hashes(level.parse::<u8>().ok().filter(|level| *level < 64)?),
        };
        let mut index: u64 = 0;
        for element in number.split('/') {
            let digits = element.strip_prefix('x').unwrap_or(element);
            index = index.checked_mul(1000)?.checked_add(digits.parse::<u64>().ok()?)?;
        }
        let tile = Self { content, index, width };
        // One form only: leading zeroes, signs and a missing or superfluous `x` end here.
        (width > 0 && tile.path() == path).then_some(tile)
    }

    /// The tile at this place of a tree of `size` leaves, as wide as it is there; none when it is
    /// not there.
    pub fn at(content: Content, index: u64, size: u64) -> Option<Self> {
        let level = match content {
            Content::Hashes(level) if level < LEVELS => u32::from(level),
            Content::Hashes(_) => return None,
            Content::Entries => 0,
        };
        let there = (size >> (HEIGHT * level)).checked_sub(index.checked_mul(u64::from(WIDTH))?)?;
        let width = u16::try_from(there).unwrap_or(WIDTH).min(WIDTH);
        (width > 0).then_some(Self { content, index, width })
    }

    /// The subtrees whose hashes it holds, in order; none for entries.
    pub fn nodes(self) -> Vec<Node> {
        match self.content {
            Content::Hashes(level) => {
                let first = self.index.saturating_mul(u64::from(WIDTH));
                let level = HEIGHT * u32::from(level);
                (first..first.saturating_add(u64::from(self.width))).map(|index| Node { level, index }).collect()
            }
            Content::Entries => Vec::new(),
        }
    }

    /// Its bytes, when it holds hashes.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn bytes<E>(self, mut source: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<u8>, E> {
        let mut bytes = Vec::with_capacity(usize::from(self.width) * 32);
        for node in self.nodes() {
            bytes.extend(source(node)?.0);
        }
        Ok(bytes)
    }
}

/// The tiles, of hashes and of entries, that a tree of `new` leaves has and one of `old` had not, or
/// not as wide.
pub fn grown(old: u64, new: u64) -> Vec<Tile> {
    let levels = (0..LEVELS).map(Content::Hashes).chain([Content::Entries]);
    let mut tiles = Vec::new();
    for content in levels {
        let shift = match content {
            Content::Hashes(level) => HEIGHT * u32::from(level),
            Content::Entries => 0,
        };
        let (before, after) = (old >> shift, new >> shift);
        if before < after {
            let places = before / u64::from(WIDTH)..=(after - 1) / u64::from(WIDTH);
            tiles.extend(places.filter_map(|index| Tile::at(content, index, new)));
        }
    }
    tiles
}

/// The hash of a subtree in a tree of `size` leaves, out of the one tile that holds what it is made
/// of. None when it is not complete, or the tile is not as long as it should be.
///
/// # Errors
/// Those of `fetch`.
pub fn find<E>(node: Node, size: u64, fetch: impl FnOnce(Tile) -> Result<Vec<u8>, E>) -> Result<Option<Hash>, E> {
    if !node.is_within(size) {
        return Ok(None);
    }
    let (level, above) = (node.level / HEIGHT, node.level % HEIGHT);
    let first = node.index << above;
    let content = Content::Hashes(u8::try_from(level).unwrap_or(u8::MAX));
    let Some(tile) = Tile::at(content, first / u64::from(WIDTH), size) else { return Ok(None) };
    let bytes = fetch(tile)?;
    if bytes.len() != usize::from(tile.width) * 32 {
        return Ok(None);
    }
    let (all, _) = bytes.as_chunks::<32>();
    let place = usize::try_from(first % u64::from(WIDTH)).unwrap_or(usize::MAX);
    let mut hashes: Vec<Hash> = all.iter().skip(place).take(1 << above).copied().map(Hash).collect();
    if hashes.len() != 1 << above {
        return Ok(None);
    }
    while hashes.len() > 1 {
        let (pairs, _) = hashes.as_chunks::<2>();
        hashes = pairs.iter().map(|[left, right]| node_hash(*left, *right)).collect();
    }
    Ok(hashes.pop())
}

/// Entries as a bundle: each after its length in two bytes, the higher one first. None when one is
/// longer than [`MAX_ENTRY`].
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend(entry);
    }
    Some(bytes)
}

/// The entries of a bundle; none when it ends within one.
pub fn decode_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::super::merkle::tests::tree_of;
    use super::super::merkle::{inclusion, leaf_hash, verify_inclusion};
    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> Tile {
        Tile { content: Content::Hashes(level), index, width }
    }

    #[test]
    fn a_path_is_written_as_the_specification_says_and_read_in_no_other_form() {
        assert_eq!(hashes(0, 1_234_067, WIDTH).path(), "tile/0/x001/x234/067");
        assert_eq!(hashes(2, 0, 1).path(), "tile/2/000.p/1");
        let entries = Tile { content: Content::Entries, index: 999, width: 255 };
        assert_eq!(entries.path(), "tile/entries/999.p/255");
        for bad in [
            "tile/0/1",
            "tile/0/0001",
            "tile/0/x000/001",
            "tile/0/x001/x002",
            "tile/0/001/002",
            "tile/00/001",
            "tile/64/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p/+1",
            "tile/0/+01",
            "tile/0/001.p",
            "tile/0/",
            "tile//001",
            "tile/0/001/",
            "/tile/0/001",
            "tile/-1/001",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x001/x001/x001/x001/x001/x001/x001/x001/001",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
        assert_eq!(Tile::parse("tile/0/x018/x446/x744/x073/x709/x551/615"), Some(hashes(0, u64::MAX, WIDTH)));
    }

    /// The examples of the specification.
    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        let of = |size, level| {
            let tiles = grown(0, size).into_iter().filter(|tile| tile.content == Content::Hashes(level));
            tiles.map(|tile| tile.width).collect::<Vec<_>>()
        };
        let level_0 = of(70_000, 0);
        assert_eq!((level_0.len(), level_0.last()), (274, Some(&112)));
        assert!(level_0[..273].iter().all(|width| *width == WIDTH));
        assert_eq!((of(70_000, 1), of(70_000, 2), of(70_000, 3)), (vec![WIDTH, 17], vec![1], vec![]));
        assert_eq!((of(256, 0), of(256, 1)), (vec![WIDTH], vec![1]));
        assert_eq!(
            grown(255, 257),
            [
                hashes(0, 0, WIDTH),
                hashes(0, 1, 1),
                hashes(1, 0, 1),
                Tile { content: Content::Entries, index: 0, width: WIDTH },
                Tile { content: Content::Entries, index: 1, width: 1 },
            ]
        );
        assert_eq!(grown(7, 7), []);
    }

    #[test]
    fn every_proof_comes_out_of_tiles_alone() {
        const SIZE: u64 = 70_000;
        let tree = tree_of(SIZE);
        for size in [1, 2, 255, 256, 257, 511, 65_535, 65_537, SIZE] {
            let fetch = |tile: Tile| {
                assert_eq!(Tile::parse(&tile.path()), Some(tile));
                assert!(Tile::at(tile.content, tile.index, size) == Some(tile));
                tile.bytes(tree.source())
            };
            let source = |node| find(node, size, fetch).map(|hash| hash.expect("complete"));
            for index in [0, 1, size / 3, size - 1].into_iter().filter(|index| *index < size) {
                let proof = inclusion(index, size, source).expect("infallible").expect("a leaf");
                assert!(verify_inclusion(leaf_hash(&index.to_be_bytes()), index, size, &proof, tree.root(size)));
            }
        }
        let short = |_: Tile| Ok::<_, Infallible>(vec![0; 31]);
        assert_eq!(find(Node { level: 0, index: 0 }, 1, short), Ok(None));
        assert_eq!(find(Node { level: 0, index: 1 }, 1, |tile: Tile| tile.bytes(tree.source())), Ok(None));
    }

    proptest! {
        #[test]
        fn a_path_reads_back(level in 0..64_u8, index: u64, width in 1..=WIDTH, is_entries: bool) {
            let content = if is_entries { Content::Entries } else { Content::Hashes(level) };
            let tile = Tile { content, index, width };
            prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
        }

        #[test]
        fn entries_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let bytes = encode_entries(entries.iter().map(Vec::as_slice)).expect("short");
            prop_assert_eq!(decode_entries(&bytes).expect("whole"), entries.clone());
            if let Some(cut) = bytes.len().checked_sub(1) {
                let fewer = decode_entries(&bytes[..cut]);
                prop_assert!(fewer.is_none_or(|fewer| fewer.len() < entries.len()));
            }
        }
    }

    #[test]
    fn an_entry_that_is_too_long_is_refused() {
        assert!(encode_entries([&vec![0; MAX_ENTRY][..]]).is_some());
        assert!(encode_entries([&vec![0; MAX_ENTRY + 1][..]]).is_none());
    }
}
