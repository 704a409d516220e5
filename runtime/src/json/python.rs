//! Reads Python's tuples and ordered dictionaries.

use serde_json::{Map, Value};

use super::{
    Flaw, Repair,
    lenient::{Cursor, is_blank},
    scalar, string,
};

/// Beginning of an ordered dictionary as Python prints it.
pub(super) const ORDERED: &str = "OrderedDict(";

impl Cursor<'_> {
    /// Reads an ordered dictionary: a list of pairs, or a dictionary, in parentheses.
    pub(super) fn ordered(&mut self, depth: usize) -> Result<Value, Flaw> {
        self.advance(ORDERED.len());
        self.skip()?;
        let object = match self.peek() {
            Some(')') => Value::Object(Map::new()),
            Some('[' | '(' | '{') => match self.container(depth + 1)? {
                Value::Array(pairs) => self.paired(pairs)?,
                other => other,
            },
            _ => return Err(self.flaw("expected the pairs of an `OrderedDict`")),
        };
        self.skip()?;
        if self.is_at_end() {
            self.add(Repair::Truncated);
        } else if !self.take(')') {
            return Err(self.flaw("expected `)` behind the pairs of an `OrderedDict`"));
        }
        match object {
            Value::Object(_) => Ok(object),
            _ => Err(self.flaw("expected the pairs of an `OrderedDict`")),
        }
    }

    fn paired(&mut self, pairs: Vec<Value>) -> Result<Value, Flaw> {
        let mut entries = Map::new();
        for pair in pairs {
            let (key, value) = match pair {
                Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
                    Ok([Value::String(key), value]) => (key, value),
                    Ok([Value::Number(key), value]) => (key.to_string(), value),
                    _ => return Err(self.flaw("expected a key and a value in each pair of an `OrderedDict`")),
                },
                _ => return Err(self.flaw("expected a key and a value in each pair of an `OrderedDict`")),
            };
            self.enter(&mut entries, key, value)?;
        }
        Ok(Value::Object(entries))
    }

    /// True at an ordered dictionary, at a tuple, and at a value in parentheses; false at a text that begins with one.
    pub(super) fn begins_python(&self) -> bool {
        /// Most characters of the lookahead, so that reading stays linear.
        const FAR: usize = 64;
        if self.rest().starts_with(ORDERED) || self.begins_sure_tuple() {
            return true;
        }
        let inside = self.rest().strip_prefix('(').unwrap_or_default();
        let stop = inside.char_indices().take(FAR).find(|(_, c)| ",()[]{}\"\n".contains(*c));
        stop.is_some_and(|(_, stop)| stop == ',')
    }

    /// True at a parenthesis before a quote, a bracket, a number or a literal that begins no longer text.
    pub(super) fn begins_sure_tuple(&self) -> bool {
        const FAR: usize = 64;
        let Some(inside) = self.rest().strip_prefix('(') else { return false };
        let inside = inside.trim_start_matches(is_blank);
        if inside.starts_with(|c: char| string::opens(c) || "[{()".contains(c)) || inside.starts_with(ORDERED)
        {
            return true;
        }
        let stop = inside.char_indices().take(FAR).find(|(_, c)| ",)".contains(*c));
        let Some((end, stop)) = stop else { return false };
        let behind = inside.get(end + 1..).unwrap_or_default().trim_start_matches(is_blank);
        scalar::is_literal(inside.get(..end).unwrap_or_default().trim_end_matches(is_blank))
            && (stop == ',' || behind.is_empty() || behind.starts_with([',', ']', '}', ')']))
    }
}
