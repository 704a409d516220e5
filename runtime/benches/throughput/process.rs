//! A side of the comparison as a process of its own, driven line by line over its input and output.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use cpu_time::ProcessTime;

/// What a load took, in seconds.
pub(crate) struct Took {
    pub(crate) clock: f64,
    pub(crate) processor: f64,
}

/// A started process; it ends with this value.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// Its first line: the commit, or the server's address.
    pub(crate) greeting: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    pub(crate) fn start(name: &'static str, program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let mut process =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut side = Self { name, greeting: String::new(), process, input, output };
        side.greeting = side.line();
        side
    }

    /// Sends a line and reads the one that answers it.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("a living process");
        self.line()
    }

    /// Has it carry a load.
    pub(crate) fn take(&mut self, load: &str) -> Took {
        let answer = self.ask(load);
        let (clock, processor) = answer.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("seconds");
        Took { clock: number(clock), processor: number(processor) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "the process of {} ended", self.name);
        line.trim_end().to_owned()
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Has the sides carry the load in turns, after a shorter one that opens connections; who begins takes turns too.
pub(crate) fn in_turns(sides: &mut [Side], load: &str, rounds: usize) -> Vec<Vec<Took>> {
    for side in &mut *sides {
        side.take(load);
    }
    let round = |index: usize| {
        let mut order: Vec<usize> = (0..sides.len()).collect();
        if index % 2 == 1 {
            order.reverse();
        }
        let mut took: Vec<(usize, Took)> =
            order.into_iter().map(|side| (side, sides[side].take(load))).collect();
        took.sort_by_key(|(side, _)| *side);
        took.into_iter().map(|(_, took)| took).collect()
    };
    (0..rounds).map(round).collect()
}

/// In a side's process: greets, carries every load that a line of the input names, and answers with what it took.
pub(crate) fn carry_loads(greeting: &str, mut carry: impl FnMut(&[&str])) {
    println!("{greeting}");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (clock, processor) = (Instant::now(), ProcessTime::now());
        carry(&words);
        println!("{} {}", clock.elapsed().as_secs_f64(), processor.elapsed().as_secs_f64());
    }
}
