//! Checks that a rule suits the field's type, as far as the type's name shows it; the first call checks the rest.

use quote::ToTokens;
use syn::{Expr, Ident, Type};

use super::{Rule, is_text, plain};
use crate::{
    diagnostics::Diagnostics,
    types::{self, Kind},
};

impl Rule {
    /// Reports a rule that does not suit the type, as far as its name says. True if it suits.
    pub(crate) fn suits(&self, word: &Ident, ty: &Type, diagnostics: &mut Diagnostics) -> bool {
        let Some((kind, ty)) = types::kind(ty) else { return true };
        let shown = ty.to_token_stream().to_string().replace(' ', "");
        let what = match kind {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Truth => "true or false",
            Kind::List(_) => "a list",
            Kind::Map => "a map",
        };
        let for_items = |rule: &str| format!("for its items, write `inner({rule})`");
        let wrong = match (self, kind) {
            (Self::Bounds(_), _) if word == "range" => match kind {
                Kind::Number => None,
                Kind::Text => Some("for its length, write `length(max = 40)`".to_owned()),
                Kind::List(_) => Some(for_items("range(0..=10)")),
                Kind::Truth | Kind::Map => Some("leave it out".to_owned()),
            },
            (Self::Bounds(_), Kind::Number) => Some("for its value, write `range(0..=10)`".to_owned()),
            (Self::Bounds(_), Kind::Truth) => Some("leave it out".to_owned()),
            (Self::Pattern(_), Kind::List(_)) => Some(for_items("pattern = \"..\"")),
            (Self::Pattern(_), Kind::Number | Kind::Truth | Kind::Map) => Some("leave it out".to_owned()),
            (Self::OneOf(_), Kind::List(_)) => Some(for_items("one_of(..)")),
            (Self::OneOf(_), Kind::Truth | Kind::Map) => Some("leave it out".to_owned()),
            (Self::Inner(_), Kind::Text | Kind::Number | Kind::Truth | Kind::Map) => {
                Some("`inner` is for the items of a list".to_owned())
            }
            (Self::OneOf(values), Kind::Text | Kind::Number) => {
                let is_right = |value: &&Expr| {
                    matches!(plain(value), Expr::Path(_)) || is_text(value) == (kind == Kind::Text)
                };
                match values.iter().find(|value| !is_right(value)) {
                    Some(value) => {
                        diagnostics.at(value, format!("this is no value of `{shown}`, which is {what}"));
                        return false;
                    }
                    None => None,
                }
            }
            (Self::Inner(rules), Kind::List(Some(items))) => {
                return rules
                    .iter()
                    .fold(true, |all, (word, rule)| rule.suits(word, items, diagnostics) && all);
            }
            _ => None,
        };
        if let Some(way_out) = &wrong {
            diagnostics.at(word, format!("`{word}` does not suit `{shown}`, which is {what}: {way_out}"));
        }
        wrong.is_none()
    }
}
