//! Names the flaws of a model's text that were mended.

use std::fmt;

macro_rules! repairs {
    ($($(#[$doc:meta])* $name:ident: $words:literal,)*) => {
        /// A flaw of a model's text that was mended while reading; see [`Prediction::repairs`](crate::Prediction::repairs).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Repair {
            $($(#[$doc])* $name,)*
        }

        const ALL: &[Repair] = &[$(Repair::$name),*];

        impl fmt::Display for Repair {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Repair::$name => $words),* })
            }
        }
    };
}

repairs! {
    /// The value stood in a Markdown code block.
    Fence: "code block",
    /// There was other text around the value.
    Prose: "text around the value",
    /// A comment was left out.
    Comment: "comment",
    /// A text stood between quotes other than `"`.
    Quotes: "other quotes",
    /// A text or key stood without quotes.
    Unquoted: "no quotes",
    /// A quote inside of a text was not escaped.
    InnerQuote: "unescaped quote",
    /// A line end, tab or other control character in a text was not escaped.
    ControlCharacter: "unescaped control character",
    /// An escape that JSON does not know was taken as it stood.
    Escape: "unknown escape",
    /// `\b` or `\f` before a letter was read as a backspace or form feed, as JSON has it; the model may have meant `\beta` or
    /// `\frac`.
    DoubtfulEscape: "doubtful escape",
    /// Texts were joined by `+`.
    Joined: "joined texts",
    /// A comma was missing between two values.
    MissingComma: "missing comma",
    /// A colon was missing between key and value.
    MissingColon: "missing colon",
    /// A comma stood before the first value or after the last one.
    ExtraComma: "extra comma",
    /// `True`, `False`, `None`, a tuple in parentheses or an `OrderedDict(..)`.
    PythonLiteral: "Python literal",
    /// A number was written in another form, such as `1_000`, `.5` or `2.`.
    Number: "number in another form",
    /// An object had a key twice: with equal values or, in valid JSON, with different ones, of which the last counts.
    DoubleKey: "key twice",
    /// A blank other than JSON's four stood between values.
    Blank: "other blank",
    /// A number stood between quotes, perhaps with commas between groups of three digits.
    NumberInText: "number as text",
    /// A word stood for a truth value, null or an empty list: `yes`, `no`, `none`; or an empty text stood for an empty list.
    Word: "word",
    /// The name of a key or a choice was written in another case, with other signs between its words, or with quotes, emphasis or
    /// one sign at its end.
    Name: "name in another form",
    /// A number, a truth value or a list stood for a text: the text is the value as written.
    ValueForText: "value for a text",
    /// One value stood for a list of one.
    ListOfOne: "value for a list",
    /// A Markdown or numbered list, one item a line.
    MarkdownList: "Markdown list",
    /// A list or an object stood between quotes.
    JsonInText: "JSON as text",
    /// The text ended before the value or its closing tag did.
    Truncated: "cut off",
    /// The field's marker, tag or label was written in another form than the plain one: indented, emphasised, spaced, full-width,
    /// in a list or heading, with attributes, or with other text on its line.
    Marker: "marker in another form",
    /// The answer gave the field more than once. The first one counts, or the first marker with text below it; repeated elements
    /// of a list are its items.
    DoubleField: "field twice",
    /// An object had a key that names no field; the key was passed over.
    UnknownKey: "unknown key",
    /// The value contains U+FFFD, the sign of a lost character, such as half a surrogate pair in the provider's answer.
    LostCharacter: "lost character",
    /// The whole answer stood inside of another object, under a name that no field has, or in a list of one.
    Wrapped: "wrapped answer",
    /// An end token of a chat template, such as `<|im_end|>`, was removed.
    EndToken: "end token",
    /// A marker that names no field of the task stood in the value, or ended it.
    ForeignMarker: "foreign marker",
    /// The provider gave an unknown reason for the answer's end, so the answer may be incomplete.
    Finish: "unknown finish reason",
}

/// A set of [`Repair`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Repairs(u64);

impl Repairs {
    pub(crate) fn add(&mut self, repair: Repair) {
        self.0 |= 1_u64 << repair as u32;
    }

    pub(crate) fn extend(&mut self, others: Repairs) {
        self.0 |= others.0;
    }

    /// True if this flaw was mended.
    pub fn contains(&self, repair: Repair) -> bool {
        self.0 & (1_u64 << repair as u32) != 0
    }

    /// True if nothing was mended.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Iterates over the repairs, in the order of [`Repair`]'s variants.
    pub fn iter(&self) -> impl Iterator<Item = Repair> + use<> {
        let set = *self;
        ALL.iter().copied().filter(move |repair| set.contains(*repair))
    }
}

impl fmt::Debug for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
