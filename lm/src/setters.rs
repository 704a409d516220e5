//! Writes by-value setters, so that data can grow without breaking whoever builds it.

/// `setters!(Type { field: u64, other: impl Into<Option<u32>>, .. })`: a by-value setter for each field, under its name.
macro_rules! setters {
    ($type:ident { $($(#[$about:meta])* $name:ident: $of:ty,)* }) => {
        impl $type {
            $(
                $(#[$about])*
                #[must_use]
                pub fn $name(mut self, $name: $of) -> Self {
                    self.$name = $name.into();
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
