//! The modules inside of a module.

use std::{
    any::{Any, type_name},
    fmt,
};

use super::{Node, Traverse, Walker};

/// A module that was found inside of another one.
#[derive(Clone, Copy)]
pub struct SubModule<'a> {
    module: &'a dyn Any,
    type_name: &'static str,
    frozen: bool,
}

impl<'a> SubModule<'a> {
    pub(super) fn new<M: Traverse>(module: &'a M, frozen: bool) -> Self {
        Self { module, type_name: type_name::<M>(), frozen }
    }

    /// The name of its type, with the path of its crate.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// True in a [`Frozen`](crate::Frozen) part.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The module itself, if it is of this type.
    pub fn downcast_ref<M: 'static>(&self) -> Option<&'a M> {
        self.module.downcast_ref()
    }
}

impl fmt::Debug for SubModule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubModule").field("type_name", &self.type_name).field("frozen", &self.frozen).finish()
    }
}

/// The modules of a module with their paths, breadth first from `self`: what
/// [`Module::named_sub_modules`](crate::Module::named_sub_modules) gives.
#[derive(Clone, Debug)]
pub struct SubModules<'a> {
    found: std::vec::IntoIter<FoundModule<'a>>,
    skip_frozen: bool,
}

#[derive(Clone, Debug)]
struct FoundModule<'a> {
    path: String,
    module: SubModule<'a>,
    /// Below the top of a frozen part.
    inside_frozen: bool,
}

impl<'a> SubModules<'a> {
    pub(super) fn of<M: Traverse>(root: &'a M) -> Self {
        let mut found = Vec::new();
        Walker::run(root, &mut |site, node| {
            if let Node::Module(module) = node {
                let inside_frozen = site.is_inside_frozen();
                let path = site.sub_module_path();
                found.push((site.depth(), FoundModule { path, module, inside_frozen }));
            }
        });
        // A stable sort by depth turns depth first into breadth first.
        found.sort_by_key(|(depth, _)| *depth);
        let found: Vec<_> = found.into_iter().map(|(_, found)| found).collect();
        Self { found: found.into_iter(), skip_frozen: false }
    }

    /// Leaves out what is inside of [`Frozen`](crate::Frozen) parts; their own outermost modules stay, as in DSPy.
    #[must_use]
    pub fn skip_frozen(mut self) -> Self {
        self.skip_frozen = true;
        self
    }

    /// The modules of one type, as they are.
    pub fn of_type<M: 'static>(self) -> impl Iterator<Item = (String, &'a M)> {
        self.filter_map(|(path, module)| Some((path, module.downcast_ref()?)))
    }
}

impl<'a> Iterator for SubModules<'a> {
    type Item = (String, SubModule<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let skip_frozen = self.skip_frozen;
        let next = self.found.by_ref().find(|found| !(skip_frozen && found.inside_frozen))?;
        Some((next.path, next.module))
    }
}
