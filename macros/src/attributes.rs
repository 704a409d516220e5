//! The table of attribute words, and the one reader for all of them.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use crate::{
    diagnostics::{Diagnostics, nearest},
    rules::{self, Rule},
};

/// The form of a word's value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Takes {
    /// `= "text"`, or a macro that makes one, such as `include_str!`.
    Text,
    /// `= "text"` or `= ["text", "text"]`.
    Texts,
    /// `= "path::to::karat"`.
    Path,
    /// The word alone, or `= expression`.
    Default,
    /// The form of the rule.
    Rule(rules::Word),
    /// The word alone.
    Nothing,
}

/// One word that an attribute knows.
pub(crate) struct Word {
    name: &'static str,
    takes: Takes,
}

/// An attribute, the words it knows, and hints for words that people may expect there.
pub(crate) struct Grammar {
    name: &'static str,
    words: &'static [Word],
    hints: &'static [(&'static str, &'static str)],
}

const DESC: Word = Word { name: "desc", takes: Takes::Text };
const ALIAS: Word = Word { name: "alias", takes: Takes::Texts };
const DEFAULT: Word = Word { name: "default", takes: Takes::Default };
const CRATE: Word = Word { name: "crate", takes: Takes::Path };
const SKIP: Word = Word { name: "skip", takes: Takes::Nothing };

const RANGE: Word = Word { name: "range", takes: Takes::Rule(rules::Word::Range) };
const LENGTH: Word = Word { name: "length", takes: Takes::Rule(rules::Word::Length) };
const PATTERN: Word = Word { name: "pattern", takes: Takes::Rule(rules::Word::Pattern) };
const ONE_OF: Word = Word { name: "one_of", takes: Takes::Rule(rules::Word::OneOf) };
const INNER_RULES: Word = Word { name: "inner", takes: Takes::Rule(rules::Word::Inner) };
const CHECK: Word = Word { name: "check", takes: Takes::Rule(rules::Word::Check) };

const RULE_HINT: &str = "only an `#[output]` has rules: they are for what the model gives";
const RANGE_HINT: &str =
    "bounds of a number are written `range(min = 0, max = 10)`, of a length `length(min = 1, max = 40)`";
const INNER_HINT: &str = "rules for the items of a list are written `inner(length(max = 40))`";
const PATTERN_HINT: &str = "a regular expression is written `pattern = \"^[a-z]+$\"`";
const FORMAT_HINT: &str = "write the form down as `pattern = \"..\"`, or test it with `check = path::to::fn`";
const NAME_HINT: &str = "a field's name in prompts is set with `#[serde(rename = \"..\")]`";
const OPTIONAL_HINT: &str = "make its type an `Option`, or say what stands for it: `#[output(default)]`";
const PLAIN_ROLE_HINT: &str = "give the type alone; `Option` and serde say the rest";

/// `#[input(..)]` on a field.
pub(crate) const INPUT: Grammar = Grammar {
    name: "input",
    words: &[DESC],
    hints: &[
        ("alias", "only an `#[output]` has aliases: they are other names under which the model may give it"),
        ("name", NAME_HINT),
        ("rename", NAME_HINT),
        ("optional", PLAIN_ROLE_HINT),
        ("default", "only an `#[output]` has a default: it stands for what the model leaves out"),
        ("range", RULE_HINT),
        ("length", RULE_HINT),
        ("pattern", RULE_HINT),
        ("one_of", RULE_HINT),
        ("inner", RULE_HINT),
        ("check", RULE_HINT),
    ],
};

/// `#[output(..)]` on a field.
pub(crate) const OUTPUT: Grammar = Grammar {
    name: "output",
    words: &[DESC, ALIAS, DEFAULT, RANGE, LENGTH, PATTERN, ONE_OF, INNER_RULES, CHECK],
    hints: &[
        ("name", NAME_HINT),
        ("rename", NAME_HINT),
        ("optional", OPTIONAL_HINT),
        ("min", RANGE_HINT),
        ("max", RANGE_HINT),
        ("items", INNER_HINT),
        ("each", INNER_HINT),
        ("regex", PATTERN_HINT),
        ("email", FORMAT_HINT),
        ("url", FORMAT_HINT),
        ("format", FORMAT_HINT),
    ],
};

/// `inner(..)` among the words of an `#[output(..)]`.
pub(crate) const INNER: Grammar = Grammar {
    name: "output(inner",
    words: &[RANGE, LENGTH, PATTERN, ONE_OF, INNER_RULES],
    hints: &[("check", "a check takes the whole list: write it beside `inner`")],
};

/// `#[signature(..)]` on a struct.
pub(crate) const SIGNATURE: Grammar = Grammar {
    name: "signature",
    words: &[CRATE],
    hints: &[
        ("instructions", "the instructions are the struct's doc comment: `/// Answer the question.`"),
        ("desc", "the instructions are the struct's doc comment: `/// Answer the question.`"),
        ("doc", "the instructions are the struct's doc comment: `/// Answer the question.`"),
    ],
};

/// `#[module(..)]` on a struct or an impl block.
pub(crate) const MODULE: Grammar = Grammar {
    name: "module",
    words: &[CRATE],
    hints: &[("skip", "it marks a field that holds no predictors: put `#[module(skip)]` on that field")],
};

/// `#[module(..)]` on a field.
pub(crate) const MODULE_FIELD: Grammar = Grammar { name: "module", words: &[SKIP], hints: &[] };

/// `#[reward(..)]` on a fn.
pub(crate) const REWARD: Grammar = Grammar {
    name: "reward",
    words: &[CRATE],
    hints: &[("threshold", "it belongs to the wrapper: `BestOfN::new(module, n, reward).threshold(..)`")],
};

/// The value that the user gave a word.
pub(crate) enum Value {
    /// An expression that is a text.
    Text(Expr),
    /// One or more texts.
    Texts(Vec<LitStr>),
    /// A path.
    Path(Path),
    /// The value in place of one that is left out; `None`: the type's own default.
    Default(Option<Expr>),
    /// A rule for an output's values.
    Rule(Rule),
    /// The word stood alone.
    Nothing,
}

/// One word as the user wrote it.
pub(crate) struct Setting {
    pub(crate) word: Ident,
    pub(crate) value: Value,
}

impl Grammar {
    /// Reads an attribute on a field: alone, or with words in parentheses.
    pub(crate) fn read(&self, attribute: &Attribute, diagnostics: &mut Diagnostics) -> Vec<Setting> {
        match &attribute.meta {
            Meta::Path(_) => Vec::new(),
            Meta::List(list) => self.read_words(list.tokens.clone(), diagnostics),
            Meta::NameValue(pair) => {
                let example = self.example();
                diagnostics.at(
                    pair,
                    format!("`#[{}]` takes its words in parentheses: write `{example}`", self.name),
                );
                Vec::new()
            }
        }
    }

    /// Reads the words between an attribute's parentheses. A word that is wrong is reported and left out.
    pub(crate) fn read_words(&self, tokens: TokenStream, diagnostics: &mut Diagnostics) -> Vec<Setting> {
        let mut settings: Vec<Setting> = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let word = input.call(Ident::parse_any)?;
                if let Some(value) = self.read_value(&word, input, diagnostics)? {
                    if settings.iter().any(|setting| setting.word == word) {
                        diagnostics.at(&word, format!("`{word}` stands twice in one attribute: keep one"));
                    } else {
                        settings.push(Setting { word, value });
                    }
                }
                if input.is_empty() {
                    break;
                }
                if !input.peek(Token![,]) {
                    return Err(input.error("words stand apart by a comma: put one before this"));
                }
                input.parse::<Token![,]>()?;
            }
            Ok(())
        };
        let parsed = parser.parse2(tokens);
        diagnostics.ok(parsed);
        settings
    }

    /// Reads a word's value; `None` where that is wrong and reported.
    fn read_value(
        &self,
        word: &Ident,
        input: ParseStream<'_>,
        diagnostics: &mut Diagnostics,
    ) -> syn::Result<Option<Value>> {
        let Some(known) = self.words.iter().find(|known| word == known.name) else {
            diagnostics.at(word, self.unknown(&word.to_string()));
            skip_value(input)?;
            return Ok(None);
        };
        let name = known.name;
        if let Takes::Rule(rule) = known.takes {
            return Ok(rule.read(word, input, diagnostics)?.map(Value::Rule));
        }
        if known.takes == Takes::Nothing {
            if !input.is_empty() && !input.peek(Token![,]) {
                diagnostics.at(word, format!("`{name}` stands alone: write `#[{}({name})]`", self.name));
                skip_value(input)?;
                return Ok(None);
            }
            return Ok(Some(Value::Nothing));
        }
        if known.takes == Takes::Default && (input.is_empty() || input.peek(Token![,])) {
            return Ok(Some(Value::Default(None)));
        }
        if !input.peek(Token![=]) {
            diagnostics.at(word, format!("`{name}` needs a value: write `{}`", form(known)));
            skip_value(input)?;
            return Ok(None);
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            diagnostics.at(word, format!("`{name}` needs a value: write `{}`", form(known)));
            return Ok(None);
        }
        let value: Expr = input.parse()?;
        let read = match known.takes {
            Takes::Text => text(&value),
            Takes::Texts => texts(&value),
            Takes::Path => path(&value),
            Takes::Default => Some(Value::Default(Some(value.clone()))),
            Takes::Rule(_) | Takes::Nothing => None,
        };
        if read.is_none() {
            let wanted = match known.takes {
                Takes::Texts => "a text in quotes, or a list of them",
                Takes::Path => "a path in quotes",
                Takes::Text | Takes::Default | Takes::Rule(_) | Takes::Nothing => "a text in quotes",
            };
            diagnostics.at(&value, format!("`{name}` takes {wanted}: write `{}`", form(known)));
        }
        Ok(read)
    }

    /// The message about an unknown word: the word that is probably meant, or all that there are.
    fn unknown(&self, unknown: &str) -> String {
        let end = if self.name.contains('(') { ")" } else { "" };
        let start = format!("`#[{}(..){end}]` knows no `{unknown}`", self.name);
        if let Some((_, hint)) = self.hints.iter().find(|(word, _)| *word == unknown) {
            return format!("{start}: {hint}");
        }
        match nearest(unknown, self.words.iter().map(|word| word.name)) {
            Some(word) => format!("{start}: did you mean `{word}`?"),
            None => {
                let known: Vec<_> = self.words.iter().map(|word| format!("`{}`", form(word))).collect();
                let known = match known.split_last() {
                    Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
                    _ => known.concat(),
                };
                format!("{start}: it takes {known}")
            }
        }
    }

    /// The attribute as it should be written.
    fn example(&self) -> String {
        let words: Vec<_> = self.words.iter().take(1).map(form).collect();
        format!("#[{}({})]", self.name, words.join(", "))
    }
}

/// A word as it should be written.
fn form(word: &Word) -> String {
    let name = word.name;
    match word.takes {
        Takes::Text | Takes::Texts => format!("{name} = \"..\""),
        Takes::Path => format!("{name} = \"path::to::karat\""),
        Takes::Default => format!("{name} = value"),
        Takes::Rule(rule) => rule.form().to_owned(),
        Takes::Nothing => name.to_owned(),
    }
}

/// Skips an unknown word's value, up to the next comma, so that the words after it are still read.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// The string literal of an expression, also where `macro_rules!` wrapped it.
pub(crate) fn literal(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}

fn text(value: &Expr) -> Option<Value> {
    match value {
        Expr::Group(group) => text(&group.expr),
        Expr::Macro(_) => Some(Value::Text(value.clone())),
        _ => literal(value).map(|_| Value::Text(value.clone())),
    }
}

fn texts(value: &Expr) -> Option<Value> {
    let texts: Option<Vec<_>> = match value {
        Expr::Array(list) => list.elems.iter().map(|text| literal(text).cloned()).collect(),
        _ => literal(value).map(|text| vec![text.clone()]),
    };
    texts.map(Value::Texts)
}

fn path(value: &Expr) -> Option<Value> {
    let path = match value {
        Expr::Path(path) => Some(path.path.clone()),
        Expr::Group(group) => return self::path(&group.expr),
        _ => literal(value).and_then(|text| text.parse().ok()),
    };
    path.map(Value::Path)
}

/// The crate path among an attribute's words.
pub(crate) fn crate_path(settings: &[Setting]) -> Option<&Path> {
    settings.iter().find_map(|setting| match &setting.value {
        Value::Path(path) => Some(path),
        Value::Text(_) | Value::Texts(_) | Value::Default(_) | Value::Rule(_) | Value::Nothing => None,
    })
}
