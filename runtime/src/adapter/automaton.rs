//! Many texts looked for at once, in time linear in all of them: the automaton of Aho and Corasick (1975).

use std::collections::HashMap;

/// How many kinds of texts are told apart.
const KINDS: usize = 3;

#[derive(Default)]
struct Node {
    /// The first byte that goes on from here, with where to; the others are in [`Automaton::more`].
    next: Option<(u8, usize)>,
    /// Where to go on if no byte does.
    fallback: usize,
    /// The length of the longest text of each kind that ends here.
    longest: [usize; KINDS],
}

/// The texts to look for.
pub(super) struct Automaton {
    nodes: Vec<Node>,
    more: HashMap<(usize, u8), usize>,
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
            if let Some(longest) = this.nodes.get_mut(at).and_then(|node| node.longest.get_mut(kind)) {
                *longest = text.len();
            }
        }
        this.link();
        this
    }

    fn next(&self, at: usize, byte: u8) -> Option<usize> {
        match self.nodes.get(at)?.next? {
            (own, next) if own == byte => Some(next),
            _ => self.more.get(&(at, byte)).copied(),
        }
    }

    fn add(&mut self, at: usize, byte: u8) -> usize {
        let new = self.nodes.len();
        self.nodes.push(Node::default());
        match self.nodes.get_mut(at).map(|node| &mut node.next) {
            Some(next @ None) => *next = Some((byte, new)),
            _ => {
                self.more.insert((at, byte), new);
            }
        }
        new
    }

    /// Sets where each node falls back to, nearest to the root first.
    fn link(&mut self) {
        let mut children: HashMap<usize, Vec<(u8, usize)>> = HashMap::new();
        for ((at, byte), next) in &self.more {
            children.entry(*at).or_default().push((*byte, *next));
        }
        let mut level = vec![0];
        while !level.is_empty() {
            let mut below = Vec::new();
            for at in level {
                let first = self.nodes.get(at).and_then(|node| node.next);
                let others = children.get(&at).into_iter().flatten().copied();
                for (byte, child) in first.into_iter().chain(others) {
                    let fallback = match at {
                        0 => 0,
                        _ => self.step(self.nodes.get(at).map_or(0, |node| node.fallback), byte),
                    };
                    let inherited = self.nodes.get(fallback).map(|node| node.longest).unwrap_or_default();
                    if let Some(node) = self.nodes.get_mut(child) {
                        node.fallback = fallback;
                        for (own, inherited) in node.longest.iter_mut().zip(inherited) {
                            *own = if *own == 0 { inherited } else { *own };
                        }
                    }
                    below.push(child);
                }
            }
            level = below;
        }
    }

    fn step(&self, mut at: usize, byte: u8) -> usize {
        loop {
            match self.next(at, byte) {
                Some(next) => return next,
                None if at == 0 => return 0,
                None => at = self.nodes.get(at).map_or(0, |node| node.fallback),
            }
        }
    }

    /// What the texts of each kind cover: sorted ranges, those that touch as one.
    pub(super) fn cover(&self, text: &[u8]) -> [Vec<(usize, usize)>; KINDS] {
        let mut covers: [Vec<(usize, usize)>; KINDS] = Default::default();
        let mut at = 0;
        for (index, byte) in text.iter().enumerate() {
            at = self.step(at, *byte);
            let longest = self.nodes.get(at).map(|node| node.longest).unwrap_or_default();
            let end = index + 1;
            for (cover, length) in covers.iter_mut().zip(longest).filter(|(_, length)| *length > 0) {
                let mut start = end - length;
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
