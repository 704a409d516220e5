//! Names of which a schema does not tell: serde's aliases. What a key stands for is found by what is absent and by what fits; it
//! holds only if the type itself then reads the whole value.

use serde_json::{Map, Value};

use super::{Fit, Misfit, Target, choice::choose};
use crate::json::Repairs;

/// What a name is of which the schema does not tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::field) enum Aliases {
    /// The type's own affair.
    None,
    /// It may stand for an absent key, with its value as it is.
    AsGiven,
    /// It may stand for an absent key, with its value as that key wants it.
    Mended,
}

/// What it costs to take a text for another name of a choice: more than what else may have to be mended around it.
const OTHER_NAME: u32 = 8;

impl<'a> Target<'a> {
    /// One of some values, or a text that the type may know as one.
    pub(super) fn choice(self, choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
        let may_be_alias = self.aliases != Aliases::None && value.is_string();
        choose(choices, value).or_else(|misfit| match may_be_alias {
            true => Ok(Fit { cost: OTHER_NAME, ..Fit::exact(value.clone()) }),
            false => Err(misfit),
        })
    }

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
                    let fit = |name: &str| self.entry(key, properties.get(name)?).coerce(value?).ok();
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
