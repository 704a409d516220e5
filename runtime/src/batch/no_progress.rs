//! Shows nothing: stands for the bar where the feature `progress` is off.

pub(super) struct Bar;

impl Bar {
    pub(super) fn new(_shown: bool, _count: usize, _unit: &'static str) -> Self {
        Self
    }

    pub(super) fn advance(&mut self, _failed: bool) {}

    pub(super) fn finish(&self) {}
}
