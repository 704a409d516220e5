//! Keys of which a schema does not tell: serde's aliases. What they stand for is found by what is absent and by what fits, and
//! holds only if the type itself then reads the value.

use serde_json::{Map, Value};

use super::{Fit, Misfit, Target};
use crate::json::Repairs;

/// What a key is of which the schema does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::field) enum Aliases {
    /// The type's own affair.
    None,
    /// It may stand for an absent key, with its value as it is.
    AsGiven,
    /// It may stand for an absent key, with its value as that key wants it.
    Mended,
}

impl<'a> Target<'a> {
    /// Brings the values of these keys to what the absent keys of the object want, and returns what that costs. They stay under
    /// their own names. A key for which the fewest absent ones are left goes first; what the type demands goes before what it
    /// does not.
    ///
    /// # Errors
    /// More keys are absent than these could stand for.
    pub(super) fn read_aliases(
        self,
        properties: &'a Map<String, Value>,
        mut others: Vec<&str>,
        object: &mut Map<String, Value>,
        repairs: &mut Repairs,
    ) -> Result<u32, Misfit> {
        let mut needed: Vec<&str> = self.required().filter(|name| !object.contains_key(*name)).collect();
        if let Some(missing) = needed.first().filter(|_| needed.len() > others.len()) {
            return Err(format!("`{missing}` is missing").into());
        }
        let mut spare: Vec<&str> = properties.keys().map(String::as_str).collect();
        spare.retain(|name| !object.contains_key(*name) && !needed.contains(name));
        // Each round looks at every pair: an object of many keys is read as it stands.
        if self.aliases == Aliases::AsGiven || others.len() * (needed.len() + spare.len()) > MOST {
            return Ok(u32::try_from(others.len()).unwrap_or(u32::MAX));
        }
        let mut cost = 0;
        for absent in [&mut needed, &mut spare] {
            while !others.is_empty() && !absent.is_empty() {
                let fitting = |key: &str| {
                    let value = object.get(key);
                    let fit = |name: &str| self.at(properties.get(name)?).coerce(value?).ok();
                    absent.iter().filter_map(|name| Some((*name, fit(name)?))).collect::<Vec<_>>()
                };
                let all = others.iter().enumerate().map(|(index, key)| (index, fitting(key)));
                let fewest = all.filter(|(_, fits)| !fits.is_empty()).min_by_key(|(_, fits)| fits.len());
                let Some((index, fits)) = fewest else { break };
                let key = others.remove(index);
                let Some((name, fit)) = fits.into_iter().min_by_key(|(_, fit): &(&str, Fit)| fit.cost) else {
                    break;
                };
                absent.retain(|other| *other != name);
                repairs.extend(fit.repairs);
                cost += fit.cost + 1;
                object.insert(key.to_owned(), fit.value);
            }
        }
        Ok(cost.max(1))
    }
}

/// The most pairs of a given and an absent key that are tried.
const MOST: usize = 256;
