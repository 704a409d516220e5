//! The rows of the table, and the faults that they run.

use std::sync::Arc;

use super::{
    answers, caches,
    cell::{Own, Shown, wire},
    fault::{Fault, Place},
    http,
    model::Schedule,
    state,
    subject::Surface,
    texts, wrappers,
};

/// One fault of the list, in all its forms.
pub struct Row {
    pub number: u32,
    pub fault: &'static str,
    pub parts: Vec<Part>,
    /// Surfaces on which there is nothing to run, and why.
    pub dashes: Vec<(Vec<Surface>, &'static str)>,
}

/// One form of a fault.
#[derive(Clone)]
pub enum Part {
    Wire(Box<Fault>),
    /// A form with a test of its own.
    Own(&'static str, Own),
}

impl Row {
    pub fn new(number: u32, fault: &'static str) -> Self {
        Self { number, fault, parts: Vec::new(), dashes: Vec::new() }
    }

    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.parts.extend(faults.into_iter().map(|fault| Part::Wire(Box::new(fault))));
        if self.parts.iter().all(|part| matches!(part, Part::Wire(fault) if fault.needs_stream)) {
            self = self.dash([Surface::Predict, Surface::Batch], "nobody asks for an event stream");
        }
        self
    }

    pub fn own(
        mut self,
        name: &'static str,
        run: impl Fn(Surface, Schedule) -> Result<Shown, String> + Send + Sync + 'static,
    ) -> Self {
        self.parts.push(Part::Own(name, Arc::new(run)));
        self
    }

    pub fn dash(mut self, surfaces: impl IntoIterator<Item = Surface>, why: &'static str) -> Self {
        self.dashes.push((surfaces.into_iter().collect(), why));
        self
    }

    /// Why there is nothing to run on this surface.
    pub fn why_not(&self, surface: Surface) -> Option<&'static str> {
        self.dashes.iter().find(|(surfaces, _)| surfaces.contains(&surface)).map(|(_, why)| *why)
    }
}

impl Part {
    pub fn name(&self) -> &str {
        match self {
            Part::Wire(fault) => &fault.name,
            Part::Own(name, _) => name,
        }
    }

    /// Whether there is something to run.
    pub fn is_in(&self, surface: Surface, schedule: Schedule) -> bool {
        match self {
            // A wrong address is wrong at every attempt.
            Part::Wire(fault) => {
                let comes_and_goes = !matches!(fault.place, Place::Address(_));
                let is_when = match schedule {
                    Schedule::First => comes_and_goes,
                    Schedule::Later => comes_and_goes && !fault.is_heavy,
                    Schedule::Every => !fault.is_heavy,
                };
                fault.is_on(surface) && is_when
            }
            Part::Own(..) => true,
        }
    }

    pub fn run(&self, surface: Surface, schedule: Schedule) -> Result<Shown, String> {
        match self {
            Part::Wire(fault) => wire(fault, surface, schedule),
            Part::Own(_, run) => run(surface, schedule),
        }
    }
}

/// All of them.
pub fn all() -> Vec<Row> {
    let mut rows = http::rows();
    rows.extend(answers::rows());
    rows.extend(texts::rows());
    rows.extend(caches::rows());
    rows.extend(wrappers::rows());
    rows.extend(state::rows());
    rows.sort_by_key(|row| row.number);
    rows
}
