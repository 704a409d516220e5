//! Reads the rules of an `#[output(..)]`: the values of `range`, `length`, `pattern`, `one_of`, `inner` and `check`.

mod expand;
mod suits;

use quote::{ToTokens, quote};
use syn::{
    Expr, ExprLit, ExprPath, ExprRange, Ident, Lit, LitStr, RangeLimits, Token, ext::IdentExt, parenthesized,
    parse::ParseStream, punctuated::Punctuated,
};

use crate::{
    attributes::{INNER, Setting, Value, literal},
    diagnostics::Diagnostics,
    number::Number,
};

pub(crate) use self::expand::expand;

/// The words for rules.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Range,
    Length,
    Pattern,
    OneOf,
    Inner,
    Check,
}

/// One rule as it goes into the field's static facts.
pub(crate) enum Rule {
    /// Calls of the runtime's builder, each with a bound.
    Bounds(Vec<(&'static str, Expr)>),
    Pattern(Expr),
    OneOf(Vec<Expr>),
    /// Each with its word.
    Inner(Vec<(Ident, Rule)>),
    Check {
        path: ExprPath,
        words: Option<LitStr>,
    },
}

/// A mistake that was reported.
struct Reported;

impl Word {
    /// The rule as it should be written.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Range => "range(0..=10)",
            Self::Length => "length(max = 40)",
            Self::Pattern => "pattern = \"^[a-z]+$\"",
            Self::OneOf => "one_of(\"a\", \"b\")",
            Self::Inner => "inner(length(max = 40))",
            Self::Check => "check = path::to::fn",
        }
    }

    /// Reads the word's value; `None` where that is wrong and reported.
    ///
    /// # Errors
    /// The value is no Rust, so that nothing behind it can be read either.
    pub(crate) fn read(
        self,
        word: &Ident,
        input: ParseStream<'_>,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<Option<Rule>> {
        let rule = if input.peek(Token![=]) && matches!(self, Self::Pattern | Self::Check) {
            input.parse::<Token![=]>()?;
            if input.is_empty() || input.peek(Token![,]) {
                self.refuse(word, diagnostics)
            } else {
                let value: Expr = input.parse()?;
                match self {
                    Self::Check => check(&value, None, diagnostics),
                    _ => pattern(value, diagnostics),
                }
            }
        } else if input.peek(syn::token::Paren) && self != Self::Pattern {
            let inside;
            parenthesized!(inside in input);
            self.read_inside(word, &inside, diagnostics)?
        } else {
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<proc_macro2::TokenTree>()?;
            }
            self.refuse(word, diagnostics)
        };
        Ok(rule.ok())
    }

    fn refuse(self, place: impl ToTokens, diagnostics: &mut Diagnostics) -> Result<Rule, Reported> {
        let (name, form) = (self.name(), self.form());
        let more = match self {
            Self::Range => " or `range(min = 0, max = 10)`",
            Self::Length => " or `length(1..=40)`",
            Self::Check => ", or `check(path::to::fn, \"words for the model\")`",
            _ => "",
        };
        diagnostics.at(place, format!("`{name}` is written `{form}`{more}"));
        Err(Reported)
    }

    fn name(self) -> &'static str {
        let form = self.form();
        form.split(['(', ' ']).next().unwrap_or(form)
    }

    fn read_inside(
        self,
        word: &Ident,
        inside: ParseStream<'_>,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<Result<Rule, Reported>> {
        Ok(match self {
            _ if inside.is_empty() => self.refuse(word, diagnostics),
            Self::Inner => {
                let settings = INNER.read_words(inside.parse()?, diagnostics);
                Ok(Rule::Inner(settings.into_iter().filter_map(Setting::into_rule).collect()))
            }
            Self::OneOf => one_of(inside, diagnostics)?,
            Self::Check => {
                let value: Expr = inside.parse()?;
                let words = match inside.parse::<Option<Token![,]>>()? {
                    Some(_) if !inside.is_empty() => Some(inside.parse::<LitStr>()?),
                    _ => None,
                };
                inside.parse::<Option<Token![,]>>()?;
                check(&value, words, diagnostics)
            }
            Self::Range | Self::Length if inside.peek(Ident::peek_any) && inside.peek2(Token![=]) => {
                self.named(inside, diagnostics)?
            }
            Self::Range | Self::Length => {
                let value: Expr = inside.parse()?;
                inside.parse::<Option<Token![,]>>()?;
                match value {
                    Expr::Range(range) => self.span(range, diagnostics),
                    other => self.refuse(other, diagnostics),
                }
            }
            Self::Pattern => self.refuse(word, diagnostics),
        })
    }

    /// `min = .., max = ..`.
    fn named(
        self,
        inside: ParseStream<'_>,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<Result<Rule, Reported>> {
        let known: &[(&str, &[&'static str])] = match self {
            Self::Range => &[
                ("min", &["at_least"]),
                ("max", &["at_most"]),
                ("exclusive_min", &["above"]),
                ("exclusive_max", &["below"]),
            ],
            _ => &[
                ("min", &["min_length"]),
                ("max", &["max_length"]),
                ("equal", &["min_length", "max_length"]),
            ],
        };
        let mut bounds: Vec<(&'static str, Expr)> = Vec::new();
        let mut outcome = Ok(());
        let mut report = |diagnostics: &mut Diagnostics, place: &dyn ToTokens, message: String| {
            diagnostics.at(place, message);
            outcome = Err(Reported);
        };
        while !inside.is_empty() {
            let name = inside.call(Ident::parse_any)?;
            inside.parse::<Token![=]>()?;
            let value: Expr = inside.parse()?;
            match known.iter().find(|(known, _)| name == known) {
                None => {
                    let names: Vec<_> = known.iter().map(|(name, _)| format!("`{name} = ..`")).collect();
                    let message =
                        format!("`{}` knows no `{name}`: it takes {}", self.name(), names.join(", "));
                    report(diagnostics, &name, message);
                }
                Some((_, methods)) => {
                    let is_second = |method: &&str| bounds.iter().any(|(other, _)| other == method);
                    let rival = match methods.first() {
                        Some(&"at_least") => Some("above"),
                        Some(&"above") => Some("at_least"),
                        Some(&"at_most") => Some("below"),
                        Some(&"below") => Some("at_most"),
                        _ => None,
                    };
                    if methods.iter().any(is_second) || rival.as_ref().is_some_and(is_second) {
                        report(diagnostics, &name, format!("`{name}` says a bound twice: keep one"));
                    } else if let Some(message) = self.wrong_bound(&value) {
                        report(diagnostics, &value, message);
                    } else {
                        bounds.extend(methods.iter().map(|method| (*method, value.clone())));
                    }
                }
            }
            if !inside.is_empty() {
                inside.parse::<Token![,]>()?;
            }
        }
        Ok(outcome.and_then(|()| self.bounds(bounds, diagnostics)))
    }

    /// `0..=10`.
    fn span(self, range: ExprRange, diagnostics: &mut Diagnostics) -> Result<Rule, Reported> {
        let is_closed = matches!(range.limits, RangeLimits::Closed(_));
        let (low, high) = match self {
            Self::Range => ("at_least", if is_closed { "at_most" } else { "below" }),
            _ => ("min_length", "max_length"),
        };
        if let (Self::Length, false, Some(end)) = (self, is_closed, &range.end) {
            let way_out = match Number::of(end) {
                Some(Number::Whole(end)) if end > 0 => {
                    format!("`{}..={}`", range.start.to_token_stream(), end - 1)
                }
                _ => "`..=` before it".to_owned(),
            };
            diagnostics.at(&range, format!("`length` names the greatest length too: write {way_out}"));
            return Err(Reported);
        }
        let ends = [(low, range.start), (high, range.end)];
        let bounds: Vec<_> = ends.into_iter().filter_map(|(method, end)| Some((method, *end?))).collect();
        if let Some((value, message)) =
            bounds.iter().find_map(|(_, value)| Some((value, self.wrong_bound(value)?)))
        {
            diagnostics.at(value, message);
            return Err(Reported);
        }
        if bounds.is_empty() {
            return self.refuse(range.limits, diagnostics);
        }
        self.bounds(bounds, diagnostics)
    }

    /// The mistake in a bound, as far as a literal shows it.
    fn wrong_bound(self, value: &Expr) -> Option<String> {
        let name = self.name();
        match (self, Number::of(value)) {
            (Self::Length, Some(Number::Whole(length))) if length >= 0 => None,
            (Self::Length, Some(_)) => Some(format!("`{name}` takes whole numbers from 0 on")),
            (_, Some(Number::Float(float))) if !float.is_finite() => {
                Some("this number is too large for a 64-bit float".to_owned())
            }
            (_, Some(_)) => None,
            (_, None) if is_literal(value) => {
                Some(format!("`{name}` takes numbers: write `{}`", self.form()))
            }
            (_, None) => None,
        }
    }

    fn bounds(
        self,
        bounds: Vec<(&'static str, Expr)>,
        diagnostics: &mut Diagnostics,
    ) -> Result<Rule, Reported> {
        let find = |names: [&str; 3]| bounds.iter().find(|(name, _)| names.contains(name));
        let low = find(["at_least", "above", "min_length"]);
        let high = find(["at_most", "below", "max_length"]);
        if let (Some((low_name, low)), Some((high_name, high))) = (low, high) {
            let order = Number::of(low).zip(Number::of(high)).and_then(|(low, high)| low.compare(high));
            let is_open = *low_name == "above" || *high_name == "below";
            if order.is_some_and(|order| order.is_gt() || (is_open && order.is_eq())) {
                let (low, high) = (low.to_token_stream(), high.to_token_stream());
                let message = format!("nothing is from {low} to {high}: the least comes first");
                diagnostics.at(quote!(#low #high), message);
                return Err(Reported);
            }
        }
        Ok(Rule::Bounds(bounds))
    }
}

fn is_literal(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Group(group) => is_literal(&group.expr),
        _ => false,
    }
}

/// `pattern = ".."`, which is compiled here if it is a literal.
fn pattern(value: Expr, diagnostics: &mut Diagnostics) -> Result<Rule, Reported> {
    match literal(&value) {
        Some(text) => {
            if let Err(why) = regex_lite::Regex::new(&text.value()) {
                let message = format!("this is no regular expression as karat reads them: {why}");
                diagnostics.at(text, message);
                return Err(Reported);
            }
        }
        None if is_literal(&value) => {
            diagnostics.at(&value, "`pattern` takes a regular expression: write `pattern = \"^[a-z]+$\"`");
            return Err(Reported);
        }
        None => {}
    }
    Ok(Rule::Pattern(value))
}

/// `one_of("a", "b")`.
fn one_of(inside: ParseStream<'_>, diagnostics: &mut Diagnostics) -> syn::Result<Result<Rule, Reported>> {
    let values = Punctuated::<Expr, Token![,]>::parse_terminated(inside)?;
    let mut seen = Vec::new();
    let mut outcome = Ok(());
    for value in &values {
        let text = value.to_token_stream().to_string();
        let is_value = matches!(plain(value), Expr::Path(_)) || Number::of(value).is_some() || is_text(value);
        if !is_value {
            diagnostics.at(value, "`one_of` takes texts, numbers and constants");
            outcome = Err(Reported);
        } else if seen.contains(&text) {
            diagnostics.at(value, format!("`one_of` names {text} twice: keep one"));
            outcome = Err(Reported);
        }
        seen.push(text);
    }
    Ok(outcome.map(|()| Rule::OneOf(values.into_iter().collect())))
}

/// `check = path`, `check(path, "words")`.
fn check(value: &Expr, words: Option<LitStr>, diagnostics: &mut Diagnostics) -> Result<Rule, Reported> {
    match plain(value) {
        Expr::Path(path) => Ok(Rule::Check { path: path.clone(), words }),
        other => {
            diagnostics.at(
                other,
                "`check` takes the path of a fn that takes a reference to the value: write `check = path::to::fn`",
            );
            Err(Reported)
        }
    }
}

/// The expression within what `macro_rules!` put around it.
fn plain(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => plain(&group.expr),
        other => other,
    }
}

fn is_text(value: &Expr) -> bool {
    matches!(plain(value), Expr::Lit(ExprLit { lit: Lit::Str(_) | Lit::Char(_), .. }))
}

impl Setting {
    /// The word with its rule.
    fn into_rule(self) -> Option<(Ident, Rule)> {
        match self.value {
            Value::Rule(rule) => Some((self.word, rule)),
            _ => None,
        }
    }
}
