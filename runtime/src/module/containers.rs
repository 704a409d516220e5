//! The traversal of a module's fields that are no modules: plain values, and containers of modules.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{Traverse, Walker, WalkerMut};

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

impl<T: 'static> Traverse for PhantomData<T> {
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
        impl<$key: ToString + 'static, $value: Traverse $(, $hasher: 'static)?> Traverse for $map<$key, $value $(, $hasher)?> {
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
