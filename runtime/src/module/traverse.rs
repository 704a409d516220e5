//! The traversal: visits every part of a module, with its path, through modules and containers of any depth.

use std::fmt::{self, Write as _};

use super::{Parameter, SubModule};

/// A type that may stand in a module's field: a module, a container of modules (`Option`, `Box`, `Vec`, arrays, tuples, `HashMap`,
/// `BTreeMap`, at any depth), a [`Param`](crate::Param), or a plain value of a basic type. Written by
/// [`#[module]`](macro@crate::module).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a module, nor a container of modules, nor a plain value of a basic type",
    label = "not known to hold predictors or to hold none",
    note = "if it holds no predictor, mark the field `#[module(skip)]`",
    note = "if it is a module, write `#[karat::module]` on its struct"
)]
pub trait Traverse: 'static {
    /// Shows each part to the walker.
    fn walk<'a>(&'a self, walker: &mut Walker<'a, '_>);

    /// Shows each part to the walker, mutably.
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

/// A part that a [`Walker`] visits.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Node<'a> {
    /// A module.
    Module(SubModule<'a>),
    /// A part that can be learned: a predictor or a [`Param`](crate::Param).
    Parameter(&'a dyn Parameter),
}

/// The place of a visited part.
#[derive(Clone, Copy, Debug)]
pub struct Site<'p> {
    path: &'p str,
    depth: usize,
    repeats: u64,
    frozen_at: Option<usize>,
}

impl<'p> Site<'p> {
    /// The path from the root: `answer.predict`, `steps[0]`, `tools['search']`; `self` at the root.
    pub fn path(&self) -> &'p str {
        if self.path.is_empty() { "self" } else { self.path }
    }

    /// The path as that of a sub-module, which begins with `self`: `self.answer.predict`.
    pub(super) fn sub_module_path(&self) -> String {
        match self.path.chars().next() {
            None => "self".into(),
            Some('[') => format!("self{}", self.path),
            Some(_) => format!("self.{}", self.path),
        }
    }

    /// How many steps down from the root.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// How many times one run of the whole runs this part.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// True in a [`Frozen`](crate::Frozen) part, unless that part is the root.
    pub fn is_frozen(&self) -> bool {
        self.frozen_at.is_some()
    }

    /// True below the top of a frozen part.
    pub(super) fn is_inside_frozen(&self) -> bool {
        self.frozen_at.is_some_and(|top| top < self.depth)
    }
}

/// One step of a path. Keys stand between single quotes and unescaped, as DSPy writes them.
enum PathStep<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

/// The walker's own place, which moves.
#[derive(Debug)]
struct Position {
    path: String,
    depth: usize,
    repeats: u64,
    frozen_at: Option<usize>,
}

impl Position {
    fn root() -> Self {
        Self { path: String::new(), depth: 0, repeats: 1, frozen_at: None }
    }

    /// Goes one step down; returns the mark with which [`up`](Position::up) comes back.
    fn down(&mut self, step: PathStep<'_>) -> usize {
        let mark = self.path.len();
        // Writing to a `String` does not fail.
        let _ = match step {
            PathStep::Field(name) if mark == 0 => write!(self.path, "{name}"),
            PathStep::Field(name) => write!(self.path, ".{name}"),
            PathStep::Index(index) => write!(self.path, "[{index}]"),
            PathStep::Key(key) => write!(self.path, "['{key}']"),
        };
        self.depth += 1;
        mark
    }

    fn up(&mut self, mark: usize) {
        self.path.truncate(mark);
        self.depth -= 1;
    }

    /// Freezes all from here down, unless here is the root; returns what [`thaw`](Position::thaw) takes.
    fn freeze(&mut self) -> Option<usize> {
        let before = self.frozen_at;
        if self.depth > 0 {
            self.frozen_at = before.or(Some(self.depth));
        }
        before
    }

    fn thaw(&mut self, before: Option<usize>) {
        self.frozen_at = before;
    }

    fn site(&self) -> Site<'_> {
        Site { path: &self.path, depth: self.depth, repeats: self.repeats, frozen_at: self.frozen_at }
    }
}

type Visit<'a, 'v> = &'v mut dyn FnMut(Site<'_>, Node<'a>);
type VisitMut<'a, 'v> = &'v mut dyn FnMut(Site<'_>, &'a mut dyn Parameter);

/// Walks a module by reference.
pub struct Walker<'a, 'v> {
    position: Position,
    visit: Visit<'a, 'v>,
}

/// Walks a module to change it.
pub struct WalkerMut<'a, 'v> {
    position: Position,
    visit: VisitMut<'a, 'v>,
}

impl<'a, 'v> Walker<'a, 'v> {
    /// Visits all modules and parameters, frozen ones included.
    pub fn run<T: Traverse + ?Sized>(root: &'a T, visit: Visit<'a, 'v>) {
        root.walk(&mut Walker { position: Position::root(), visit });
    }

    /// Shows the module itself.
    pub fn module<M: Traverse>(&mut self, module: &'a M) {
        let site = self.position.site();
        (self.visit)(site, Node::Module(SubModule::new(module, site.is_frozen())));
    }

    /// Shows a predictor, or a parameter of another kind.
    pub fn parameter(&mut self, parameter: &'a dyn Parameter) {
        (self.visit)(self.position.site(), Node::Parameter(parameter));
    }

    /// Walks a field.
    pub fn field<T: Traverse + ?Sized>(&mut self, name: &str, part: &'a T) {
        self.step(PathStep::Field(name), part);
    }

    /// Walks an item of a list.
    pub fn index<T: Traverse + ?Sized>(&mut self, index: usize, part: &'a T) {
        self.step(PathStep::Index(index), part);
    }

    /// Walks a value of a map.
    pub fn key<T: Traverse + ?Sized>(&mut self, key: &str, part: &'a T) {
        self.step(PathStep::Key(key), part);
    }

    fn step<T: Traverse + ?Sized>(&mut self, step: PathStep<'_>, part: &'a T) {
        let mark = self.position.down(step);
        part.walk(self);
        self.position.up(mark);
    }

    /// Walks a field that one run runs `times` times, each with a rollout id of its own.
    pub fn repeated<T: Traverse + ?Sized>(&mut self, times: usize, name: &str, part: &'a T) {
        let before = self.position.repeats;
        self.position.repeats = before.saturating_mul(times.max(1) as u64);
        self.field(name, part);
        self.position.repeats = before;
    }

    /// Walks a part in which nothing is to be learned any more.
    pub(super) fn frozen<T: Traverse + ?Sized>(&mut self, part: &'a T) {
        let before = self.position.freeze();
        part.walk(self);
        self.position.thaw(before);
    }
}

impl<'a, 'v> WalkerMut<'a, 'v> {
    /// Visits every parameter, frozen ones included.
    pub fn run<T: Traverse + ?Sized>(root: &'a mut T, visit: VisitMut<'a, 'v>) {
        root.walk_mut(&mut WalkerMut { position: Position::root(), visit });
    }

    /// Shows a predictor, or a parameter of another kind.
    pub fn parameter(&mut self, parameter: &'a mut dyn Parameter) {
        (self.visit)(self.position.site(), parameter);
    }

    /// Walks a field.
    pub fn field<T: Traverse + ?Sized>(&mut self, name: &str, part: &'a mut T) {
        self.step(PathStep::Field(name), part);
    }

    /// Walks an item of a list.
    pub fn index<T: Traverse + ?Sized>(&mut self, index: usize, part: &'a mut T) {
        self.step(PathStep::Index(index), part);
    }

    /// Walks a value of a map.
    pub fn key<T: Traverse + ?Sized>(&mut self, key: &str, part: &'a mut T) {
        self.step(PathStep::Key(key), part);
    }

    fn step<T: Traverse + ?Sized>(&mut self, step: PathStep<'_>, part: &'a mut T) {
        let mark = self.position.down(step);
        part.walk_mut(self);
        self.position.up(mark);
    }

    /// Walks a part in which nothing is to be learned any more.
    pub(super) fn frozen<T: Traverse + ?Sized>(&mut self, part: &'a mut T) {
        let before = self.position.freeze();
        part.walk_mut(self);
        self.position.thaw(before);
    }
}

impl fmt::Debug for Walker<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker").field("position", &self.position).finish_non_exhaustive()
    }
}

impl fmt::Debug for WalkerMut<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalkerMut").field("position", &self.position).finish_non_exhaustive()
    }
}
