//! Reads names that a schema does not list: serde's aliases. An unknown key is matched with an absent key that its value fits; the
//! result holds only if the type itself then reads the whole value.

use serde_json::{Map, Value};

use super::{Fit, Misfit, Target, choice::choose};
use crate::json::Repairs;

/// How names are read that the schema does not list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::field) enum Aliases {
    /// The schema lists all names.
    None,
    /// An unlisted name may be an alias; its value stays as it is.
    AsGiven,
    /// An unlisted name may be an alias; its value is converted as an absent key wants it.
    Mended,
}

/// Cost of reading a text as an alias of a choice: more than any repairs around it.
const OTHER_NAME: u32 = 8;

impl<'a> Target<'a> {
    /// Reads one of the listed values, or a text that may be an alias of one.
    pub(super) fn choice(self, choices: &[Value], value: &Value) -> Result<Fit, Misfit> {
        let may_be_alias = self.aliases != Aliases::None && value.is_string();
        choose(choices, value).or_else(|misfit| match may_be_alias {
            true => Ok(Fit { cost: OTHER_NAME, ..Fit::exact(value.clone()) }),
            false => Err(misfit),
        })
    }

    /// Converts the values of unlisted keys to what the object's absent keys want, and returns the cost.
    ///
    /// The keys keep their own names. Required absent keys are matched before optional ones, and the unlisted key with the fewest
    /// matches goes first.
    ///
    /// # Errors
    /// More required keys are absent than there are unlisted ones.
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
        // Each round tries every pair, so an object of many keys is left as it is.
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

/// Most pairs of an unlisted and an absent key that are tried.
const MOST: usize = 256;
