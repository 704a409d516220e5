//! The traversal: how every predictor of a module is found, with its path, through modules and containers of any depth.

use std::{
    any::type_name,
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    marker::PhantomData,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crate::predict::Predictor;

/// What may stand in a module's field: a module, a container of modules (`Option`, `Box`, `Vec`, arrays, tuples, `HashMap`,
/// `BTreeMap`, at any depth), or a plain value of a basic type. Written by [`#[module]`](macro@crate::module).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a module, nor a container of modules, nor a plain value of a basic type",
    label = "not known to hold predictors or to hold none",
    note = "if it holds no predictor, mark the field `#[module(skip)]`",
    note = "if it is a module, write `#[karat::module]` on its struct"
)]
pub trait Traverse {
    /// Shows each part to the walker.
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>);

    /// Shows each part to the walker, to be changed.
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>);

    // What the macro calls: through the trait, a wrong type is one error at the user's token.
    #[doc(hidden)]
    fn walk_field<'a>(&'a self, name: &'static str, walker: &mut Walker<'a, '_>)
    where
        Self: Sized,
    {
        walker.field(name, self);
    }
    #[doc(hidden)]
    fn walk_field_mut<'a>(&'a mut self, name: &'static str, walker: &mut WalkerMut<'a, '_>)
    where
        Self: Sized,
    {
        walker.field(name, self);
    }
}

/// What a [`Walker`] meets.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Node<'a> {
    /// A module, by the name of its type.
    Module(&'static str),
    /// A predictor.
    Predictor(&'a Predictor),
}

/// One step of a path. Keys stand between single quotes and unescaped, as DSPy writes them.
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

/// The path to the part that is being walked.
#[derive(Debug, Default)]
struct Path(String);

impl Path {
    /// Goes one step down; gives the mark with which [`up`](Path::up) comes back.
    fn down(&mut self, step: Step<'_>) -> usize {
        let mark = self.0.len();
        // Writing to a `String` does not fail.
        let _ = match step {
            Step::Field(name) if mark == 0 => write!(self.0, "{name}"),
            Step::Field(name) => write!(self.0, ".{name}"),
            Step::Index(index) => write!(self.0, "[{index}]"),
            Step::Key(key) => write!(self.0, "['{key}']"),
        };
        mark
    }

    fn up(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    fn text(&self) -> &str {
        if self.0.is_empty() { "self" } else { &self.0 }
    }
}

type Visit<'a, 'v> = &'v mut dyn FnMut(&str, Node<'a>, u64);
type VisitMut<'a, 'v> = &'v mut dyn FnMut(&str, &'a mut Predictor);

/// Walks a module by reference.
#[allow(missing_debug_implementations)]
pub struct Walker<'a, 'v> {
    path: Path,
    /// How many times one run of the whole runs the current part.
    repeats: u64,
    visit: Visit<'a, 'v>,
}

/// Walks a module to change it.
#[allow(missing_debug_implementations)]
pub struct WalkerMut<'a, 'v> {
    path: Path,
    visit: VisitMut<'a, 'v>,
}

impl<'a, 'v> Walker<'a, 'v> {
    /// Visits all parts with their path and with how many times one run of the whole runs them.
    pub fn run<T: Traverse + ?Sized>(root: &'a T, visit: Visit<'a, 'v>) {
        root.walk(&mut Walker { path: Path::default(), repeats: 1, visit });
    }

    /// Shows the module itself.
    pub fn module<M: Traverse + ?Sized>(&mut self, _module: &'a M) {
        (self.visit)(self.path.text(), Node::Module(type_name::<M>()), self.repeats);
    }

    /// Shows a predictor.
    pub fn predictor(&mut self, predictor: &'a Predictor) {
        (self.visit)(self.path.text(), Node::Predictor(predictor), self.repeats);
    }

    /// Walks a field.
    pub fn field<T: Traverse + ?Sized>(&mut self, name: &str, part: &'a T) {
        self.step(Step::Field(name), part);
    }

    /// Walks an item of a list.
    pub fn index<T: Traverse + ?Sized>(&mut self, index: usize, part: &'a T) {
        self.step(Step::Index(index), part);
    }

    /// Walks a value of a map.
    pub fn key<T: Traverse + ?Sized>(&mut self, key: &str, part: &'a T) {
        self.step(Step::Key(key), part);
    }

    fn step<T: Traverse + ?Sized>(&mut self, step: Step<'_>, part: &'a T) {
        let mark = self.path.down(step);
        part.walk(self);
        self.path.up(mark);
    }

    /// Walks a field that one run runs `times` times, each with a rollout id of its own.
    pub fn repeated<T: Traverse + ?Sized>(&mut self, times: usize, name: &str, part: &'a T) {
        let before = self.repeats;
        self.repeats = before.saturating_mul(times.max(1) as u64);
        self.field(name, part);
        self.repeats = before;
    }
}

impl<'a, 'v> WalkerMut<'a, 'v> {
    /// Visits every predictor with its path.
    pub fn run<T: Traverse + ?Sized>(root: &'a mut T, visit: VisitMut<'a, 'v>) {
        root.walk_mut(&mut WalkerMut { path: Path::default(), visit });
    }

    /// Shows a predictor.
    pub fn predictor(&mut self, predictor: &'a mut Predictor) {
        (self.visit)(self.path.text(), predictor);
    }

    /// Walks a field.
    pub fn field<T: Traverse + ?Sized>(&mut self, name: &str, part: &'a mut T) {
        self.step(Step::Field(name), part);
    }

    /// Walks an item of a list.
    pub fn index<T: Traverse + ?Sized>(&mut self, index: usize, part: &'a mut T) {
        self.step(Step::Index(index), part);
    }

    /// Walks a value of a map.
    pub fn key<T: Traverse + ?Sized>(&mut self, key: &str, part: &'a mut T) {
        self.step(Step::Key(key), part);
    }

    fn step<T: Traverse + ?Sized>(&mut self, step: Step<'_>, part: &'a mut T) {
        let mark = self.path.down(step);
        part.walk_mut(self);
        self.path.up(mark);
    }
}

/// Plain values hold no predictor.
macro_rules! plain {
    ($($kind:ty),* $(,)?) => {
        $(impl Traverse for $kind {
            fn walk<'a>(&'a self, _walker: &mut Walker<'a, '_>) {}
            fn walk_mut<'a>(&'a mut self, _walker: &mut WalkerMut<'a, '_>) {}
        })*
    };
}

plain!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);
plain!(String, &'static str, Cow<'static, str>, Arc<str>, PathBuf, Duration);

impl<T> Traverse for PhantomData<T> {
    fn walk<'a>(&'a self, _walker: &mut Walker<'a, '_>) {}
    fn walk_mut<'a>(&'a mut self, _walker: &mut WalkerMut<'a, '_>) {}
}

impl<T: Traverse + ?Sized> Traverse for Box<T> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        (**self).walk(walker);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        (**self).walk_mut(walker);
    }
}

impl<T: Traverse> Traverse for Option<T> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        if let Some(part) = self {
            part.walk(walker);
        }
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        if let Some(part) = self {
            part.walk_mut(walker);
        }
    }
}

impl<T: Traverse> Traverse for [T] {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        for (index, part) in self.iter().enumerate() {
            walker.index(index, part);
        }
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        for (index, part) in self.iter_mut().enumerate() {
            walker.index(index, part);
        }
    }
}

impl<T: Traverse> Traverse for Vec<T> {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        self.as_slice().walk(walker);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        self.as_mut_slice().walk_mut(walker);
    }
}

impl<T: Traverse, const N: usize> Traverse for [T; N] {
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
        self.as_slice().walk(walker);
    }
    fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
        self.as_mut_slice().walk_mut(walker);
    }
}

/// Walks a map's values in the order of their keys as text, which is stable whatever the map's own order.
macro_rules! map {
    ($map:ident<$key:ident, $value:ident $(, $hasher:ident)?>) => {
        impl<$key: ToString, $value: Traverse $(, $hasher)?> Traverse for $map<$key, $value $(, $hasher)?> {
            fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
                let mut parts: Vec<_> = self.iter().map(|(key, part)| (key.to_string(), part)).collect();
                parts.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (key, part) in parts {
                    walker.key(&key, part);
                }
            }
            fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
                let mut parts: Vec<_> = self.iter_mut().map(|(key, part)| (key.to_string(), part)).collect();
                parts.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (key, part) in parts {
                    walker.key(&key, part);
                }
            }
        }
    };
}

map!(BTreeMap<K, V>);
map!(HashMap<K, V, S>);

macro_rules! tuple {
    ($($part:ident $index:tt),+) => {
        impl<$($part: Traverse),+> Traverse for ($($part,)+) {
            fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>) {
                $(walker.index($index, &self.$index);)+
            }
            fn walk_mut<'a>(&'a mut self, walker: &mut WalkerMut<'a, '_>) {
                $(walker.index($index, &mut self.$index);)+
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
