//! The bar on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// How far a batch is, for the eyes; nothing where it is not wanted. Where stderr is no terminal the bar hides itself.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    failed: usize,
}

impl Progress {
    pub(super) fn new(shown: bool, count: usize, unit: &'static str) -> Self {
        Self::on(ProgressDrawTarget::stderr(), shown, count, unit)
    }

    fn on(target: ProgressDrawTarget, shown: bool, count: usize, unit: &'static str) -> Self {
        let bar = shown.then(|| {
            let template = "{wide_bar} {pos}/{len} {prefix}{msg}, {elapsed} (eta {eta})";
            ProgressBar::with_draw_target(Some(count as u64), target)
                .with_prefix(unit)
                .with_style(
                    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
                )
                // A batch that is dropped leaves the line as it stands.
                .with_finish(ProgressFinish::Abandon)
        });
        Self { bar, failed: 0 }
    }

    /// One more is done.
    pub(super) fn advance(&mut self, failed: bool) {
        let Some(bar) = &self.bar else { return };
        if failed {
            self.failed += 1;
            bar.set_message(format!(", {} failed", self.failed));
        }
        bar.inc(1);
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
