//! The progress bar of a batch, on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// Shows how far a batch is, or nothing if it is off. Where stderr is no terminal the bar hides itself.
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    failed: usize,
}

impl Bar {
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

    /// Counts one more item as done.
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

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;

    /// A terminal that keeps all that was written.
    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shown(count: usize, results: &[bool]) -> String {
        let terminal = Kept::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut progress = Bar::on(target, true, count, "items");
        results.iter().for_each(|failed| progress.advance(*failed));
        progress.finish();
        drop(progress);
        Arc::into_inner(terminal.0).map(|text| text.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn the_bar_shows_what_is_done_and_what_failed() {
        let text = shown(3, &[false, true]);
        assert!(text.contains("2/3 items, 1 failed, "), "{text}");
        assert!(!shown(2, &[false]).contains("failed"));
    }

    #[test]
    fn a_bar_of_nothing_is_a_bar_too() {
        assert!(shown(0, &[]).contains("0/0 items"));
    }

    #[test]
    fn the_bar_is_hidden_where_it_is_not_wanted_or_stderr_is_no_terminal() {
        assert!(Bar::new(false, 3, "items").bar.is_none());
        let terminal = std::io::IsTerminal::is_terminal(&io::stderr());
        assert_eq!(Bar::new(true, 3, "items").bar.unwrap().is_hidden(), !terminal);
    }
}
