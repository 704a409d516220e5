//! Searches for many texts at once in linear time: the automaton of Aho and Corasick (1975).

use std::collections::{HashMap, VecDeque};

/// Number of kinds of texts.
const KINDS: usize = 3;

#[derive(Default)]
struct Node {
    /// The first byte that goes on from here, and its node; the others are in [`Automaton::more`].
    next: Option<(u8, u32)>,
    /// True if other bytes go on too.
    has_more: bool,
    /// The node to go on from if no byte does.
    fallback: u32,
    /// The length of the longest text of each kind that ends here.
    longest: [u32; KINDS],
}

/// Automaton of the texts to search for.
pub(super) struct Automaton {
    nodes: Vec<Node>,
    more: HashMap<(u32, u8), u32>,
}

impl Automaton {
    pub(super) fn new<'t>(texts: impl Iterator<Item = (usize, &'t [u8])>) -> Self {
        let mut this = Self { nodes: vec![Node::default()], more: HashMap::new() };
        for (kind, text) in texts {
            let mut at = 0;
            for byte in text {
                at = match this.next(at, *byte) {
                    Some(next) => next,
                    None => this.add(at, *byte),
                };
            }
            if let Some(longest) = this.node_mut(at).and_then(|node| node.longest.get_mut(kind)) {
                *longest = u32::try_from(text.len()).unwrap_or_default();
            }
        }
        this.link();
        this
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut(at as usize)
    }

    fn next(&self, at: u32, byte: u8) -> Option<u32> {
        let node = self.node(at)?;
        match node.next? {
            (own, next) if own == byte => Some(next),
            _ if node.has_more => self.more.get(&(at, byte)).copied(),
            _ => None,
        }
    }

    /// Adds a node. Beyond 2^32 nodes returns the root, which cuts the text short.
    fn add(&mut self, at: u32, byte: u8) -> u32 {
        let Ok(new) = u32::try_from(self.nodes.len()) else { return 0 };
        self.nodes.push(Node::default());
        match self.node_mut(at) {
            Some(Node { next: next @ None, .. }) => *next = Some((byte, new)),
            Some(node) => {
                node.has_more = true;
                self.more.insert((at, byte), new);
            }
            None => {}
        }
        new
    }

    /// Sets the fallback of each node, nearest to the root first.
    fn link(&mut self) {
        let mut children: HashMap<u32, Vec<(u8, u32)>> = HashMap::new();
        for ((at, byte), next) in &self.more {
            children.entry(*at).or_default().push((*byte, *next));
        }
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let (first, has_more) = self.node(at).map(|node| (node.next, node.has_more)).unwrap_or_default();
            let others = has_more.then(|| children.remove(&at)).flatten().unwrap_or_default();
            for (byte, child) in first.into_iter().chain(others) {
                let fallback = match at {
                    0 => 0,
                    _ => self.step(self.node(at).map_or(0, |node| node.fallback), byte),
                };
                let inherited = self.node(fallback).map(|node| node.longest).unwrap_or_default();
                if let Some(node) = self.node_mut(child) {
                    node.fallback = fallback;
                    for (own, inherited) in node.longest.iter_mut().zip(inherited) {
                        *own = if *own == 0 { inherited } else { *own };
                    }
                }
                queue.push_back(child);
            }
        }
    }

    fn step(&self, mut at: u32, byte: u8) -> u32 {
        loop {
            match self.next(at, byte) {
                Some(next) => return next,
                None if at == 0 => return 0,
                None => at = self.node(at).map_or(0, |node| node.fallback),
            }
        }
    }

    /// Finds what the texts of each kind cover: sorted ranges, touching ones merged.
    pub(super) fn cover(&self, text: &[u8]) -> [Vec<(usize, usize)>; KINDS] {
        let mut covers: [Vec<(usize, usize)>; KINDS] = Default::default();
        let mut at = 0;
        for (index, byte) in text.iter().enumerate() {
            at = self.step(at, *byte);
            let longest = self.node(at).map(|node| node.longest).unwrap_or_default();
            let end = index + 1;
            for (cover, length) in covers.iter_mut().zip(longest).filter(|(_, length)| *length > 0) {
                let mut start = end - length as usize;
                while let Some((last, _)) = cover.last().copied().filter(|(_, last_end)| *last_end >= start) {
                    start = start.min(last);
                    cover.pop();
                }
                cover.push((start, end));
            }
        }
        covers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cover(texts: &[&str], text: &str) -> Vec<(usize, usize)> {
        let automaton = Automaton::new(texts.iter().map(|text| (0, text.as_bytes())));
        let [cover, none, _] = automaton.cover(text.as_bytes());
        assert!(none.is_empty());
        cover
    }

    #[test]
    fn all_places_of_all_texts_are_found_even_where_they_overlap() {
        assert_eq!(cover(&["aa"], "xaaax aa"), [(1, 4), (6, 8)]);
        assert_eq!(cover(&["he", "she", "hers"], "ushers"), [(1, 6)]);
        assert_eq!(cover(&["abcd", "bc"], "abcx abcd"), [(1, 3), (5, 9)]);
        assert_eq!(cover(&["b", "ab"], "ab b"), [(0, 2), (3, 4)]);
        assert_eq!(cover(&[], "ab"), []);
    }
}
