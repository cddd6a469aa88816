//! Flattened device trees, as firmware hands them over. (Devicetree specification 0.4, chapter 5.)
//!
//! What is malformed ends the walk: what came before it counts.

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
/// Nodes below each other, at most.
const MAX_DEPTH: usize = 16;
/// Properties of a node that are looked at, at most.
const MAX_PROPERTIES: usize = 48;

/// A device tree.
#[derive(Debug, Clone, Copy)]
pub struct Fdt<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    reservations: &'a [u8],
}

/// Memory that the device tree reserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// It is not even to be mapped.
    pub no_map: bool,
}

/// A node with its properties.
pub struct Node<'a> {
    /// Its name, with the unit address.
    pub name: &'a [u8],
    /// Nodes above it, with the root.
    depth: usize,
    /// Name of the one that it is in.
    pub parent: &'a [u8],
    /// `#address-cells` and `#size-cells` of its parent.
    cells: (usize, usize),
    properties: [(&'a [u8], &'a [u8]); MAX_PROPERTIES],
    count: usize,
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

/// Bytes up to the next 0.
fn text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

impl<'a> Fdt<'a> {
    /// Bytes of the tree that begins with `header`, of which 8 are needed.
    #[must_use]
    pub fn size(header: &[u8]) -> Option<usize> {
        (be32(header, 0)? == MAGIC).then_some(be32(header, 4)? as usize)
    }

    /// The tree in `bytes`, if there is one.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Self::size(bytes)?;
        let part = |start: usize, size: usize| {
            let (start, size) = (be32(bytes, start)? as usize, be32(bytes, size)? as usize);
            bytes.get(start..start.checked_add(size)?)
        };
        let reservations = be32(bytes, 16).and_then(|start| bytes.get(start as usize..)).unwrap_or(&[]);
        Some(Self { structure: part(8, 36)?, strings: part(12, 32)?, reservations })
    }

    /// Shows all memory that is reserved to `look`: that of the block of reservations, and that of nodes in
    /// `/reserved-memory` that have a place. (Devicetree specification 0.4, sections 5.3 and 3.5.)
    pub fn for_each_reservation(&self, mut look: impl FnMut(Reservation)) {
        for entry in self.reservations.chunks_exact(16) {
            let (start, size) = entry.split_at(8);
            let (start, size) = (number(start).unwrap_or(0), number(size).unwrap_or(0));
            if (start, size) == (0, 0) {
                break;
            }
            look(Reservation { start, size, no_map: false });
        }
        self.for_each_node(|node| {
            if node.depth == 2 && node.parent == b"reserved-memory" {
                let no_map = node.property(b"no-map").is_some();
                node.regions().for_each(|(start, size)| look(Reservation { start, size, no_map }));
            }
        });
    }

    /// Shows every node to `look`, parents first.
    pub fn for_each_node(&self, mut look: impl FnMut(&Node<'a>)) {
        // By depth: the cells that count for the children, and the names.
        let mut cells = [(2, 1); MAX_DEPTH + 1];
        let mut names = [&[][..]; MAX_DEPTH + 1];
        let mut depth = 0;
        let mut at = 0;
        let mut open: Option<Node<'a>> = None;
        while let Some(token) = be32(self.structure, at) {
            at += 4;
            if matches!(token, BEGIN_NODE | END_NODE)
                && let Some(node) = open.take()
            {
                look(&node);
            }
            match token {
                BEGIN_NODE => {
                    let Some(name) = text(self.structure, at) else { return };
                    at = (at + name.len() + 1).next_multiple_of(4);
                    if depth == MAX_DEPTH {
                        return;
                    }
                    let properties = [(&[][..], &[][..]); MAX_PROPERTIES];
                    let (parent, cells_here) = (names[depth], cells[depth]);
                    open = Some(Node { name, depth, parent, cells: cells_here, properties, count: 0 });
                    depth += 1;
                    cells[depth] = (2, 1);
                    names[depth] = name;
                }
                END_NODE => {
                    let Some(up) = depth.checked_sub(1) else { return };
                    depth = up;
                }
                PROPERTY => {
                    let (Some(length), Some(name)) = (be32(self.structure, at), be32(self.structure, at + 4))
                    else {
                        return;
                    };
                    at += 8;
                    let end = at.saturating_add(length as usize);
                    let (Some(value), Some(name)) =
                        (self.structure.get(at..end), text(self.strings, name as usize))
                    else {
                        return;
                    };
                    at = end.next_multiple_of(4);
                    let number = be32(value, 0).map_or(0, |n| n as usize);
                    match name {
                        b"#address-cells" => cells[depth].0 = number,
                        b"#size-cells" => cells[depth].1 = number,
                        _ => {}
                    }
                    if let Some(node) = &mut open
                        && node.count < MAX_PROPERTIES
                    {
                        node.properties[node.count] = (name, value);
                        node.count += 1;
                    }
                }
                NOP => {}
                _ => return,
            }
        }
    }
}

impl<'a> Node<'a> {
    /// The value of property `name`.
    #[must_use]
    pub fn property(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.properties[..self.count].iter().find(|property| property.0 == name).map(|property| property.1)
    }

    /// Property `name` as pairs of cells.
    pub fn pairs(&self, name: &[u8]) -> Option<Pairs<'a>> {
        self.property(name).map(Pairs)
    }

    /// Property `name` as a number of one cell or two.
    #[must_use]
    pub fn number(&self, name: &[u8]) -> Option<u64> {
        number(self.property(name)?)
    }

    /// Whether property `name`, which is text or a list of texts, has `text`.
    #[must_use]
    pub fn has(&self, name: &[u8], text: &[u8]) -> bool {
        self.property(name).is_some_and(|value| value.split(|&byte| byte == 0).any(|one| one == text))
    }

    /// Address and size of each part of `reg`.
    pub fn regions(&self) -> impl Iterator<Item = (u64, u64)> + 'a {
        let (address, size) = (self.cells.0.min(2) * 4, self.cells.1.min(2) * 4);
        let bytes = self.property(b"reg").unwrap_or(&[]);
        bytes.chunks_exact((address + size).max(4)).map(move |part| {
            let (at, long) = part.split_at(address.min(part.len()));
            (number(at).unwrap_or(0), number(long).unwrap_or(0))
        })
    }
}

/// Pairs of cells.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a>(&'a [u8]);

impl Pairs<'_> {
    /// How many come before `pair`, if it is there.
    #[must_use]
    pub fn position(&self, pair: (u32, u32)) -> Option<usize> {
        self.0.chunks_exact(8).position(|two| (be32(two, 0), be32(two, 4)) == (Some(pair.0), Some(pair.1)))
    }
}

fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        4 => be32(value, 0).map(u64::from),
        8 => Some(u64::from(be32(value, 0)?) << 32 | u64::from(be32(value, 4)?)),
        _ => None,
    }
}
