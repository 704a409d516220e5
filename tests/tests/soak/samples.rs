//! What the system says of this process while it works, and whether it grows.

use std::fmt;

const MIB: f64 = 1_048_576.0;

/// The table's head.
pub const HEAD: &str = "| calls | resident, MiB | in use, MiB | descriptors |\n|---|---|---|---|";

/// Memory and descriptors at one moment.
#[derive(Clone, Copy)]
pub struct Sample {
    calls: usize,
    /// Bytes that the system has given.
    resident: usize,
    /// Bytes that the program has asked for and not given back.
    in_use: usize,
    descriptors: usize,
}

impl Sample {
    /// After so many calls.
    pub fn now(calls: usize) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident: usize = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
        Self { calls, resident: resident << 10, in_use: crate::ALLOCATOR.current_usage(), descriptors }
    }
}

/// A row of the table.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { calls, resident, in_use, descriptors } = *self;
        let (resident, in_use) = (resident as f64 / MIB, in_use as f64 / MIB);
        write!(f, "| {calls} | {resident:.1} | {in_use:.2} | {descriptors} |")
    }
}

/// How many descriptors this process may have.
pub fn most_descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // `unlimited` is no number.
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}

/// What must hold.
pub struct Bounds {
    /// Bytes that memory may grow by with each call.
    growth: f64,
    descriptors: usize,
}

impl Bounds {
    /// 1 MiB for 100,000 calls. In a short run the slope is mostly noise: there it may be 8 MiB over the whole of it.
    pub fn of(calls: usize, in_flight: usize) -> Self {
        let growth = if calls >= crate::FULL { MIB / 100_000.0 } else { 8.0 * MIB / calls as f64 };
        // A connection for each call; as many again that were begun when none was free, and came too late; and the runtime's own.
        Self { growth, descriptors: 2 * in_flight + 100 }
    }
}

/// One of a sample's values.
type Value = fn(&Sample) -> usize;

/// The samples of a run; the first fifth is the warm-up, in which histories, caches and buffers fill.
pub struct Samples {
    all: Vec<Sample>,
}

impl Samples {
    pub fn new(mut all: Vec<Sample>) -> Self {
        all.sort_by_key(|sample| sample.calls);
        Self { all }
    }

    fn warm(&self) -> &[Sample] {
        &self.all[self.all.len() / 5..]
    }

    /// By least squares over what came after the warm-up: what a value grows by with each call.
    fn slope(&self, value: Value) -> f64 {
        let warm = self.warm();
        let count = warm.len() as f64;
        let mean =
            |of: fn(&Sample) -> usize| warm.iter().map(|sample| of(sample) as f64).sum::<f64>() / count;
        let (calls, values) = (mean(|sample| sample.calls), mean(value));
        let (mut over, mut under) = (0.0, 0.0);
        for sample in warm {
            let distance = sample.calls as f64 - calls;
            over += distance * (value(sample) as f64 - values);
            under += distance * distance;
        }
        over / under
    }

    /// What does not hold, in words.
    pub fn missed(&self, bounds: &Bounds) -> Vec<String> {
        let mut missed = Vec::new();
        for (name, value) in Self::memory() {
            let slope = self.slope(value);
            if slope >= bounds.growth {
                missed
                    .push(format!("{name} grows by {slope:.1} bytes a call, more than {:.1}", bounds.growth));
            }
        }
        let most = self.all.iter().map(|sample| sample.descriptors).max().unwrap_or(0);
        if most > bounds.descriptors {
            missed.push(format!("{most} descriptors, more than {}", bounds.descriptors));
        }
        missed
    }

    fn memory() -> [(&'static str, Value); 2] {
        [("resident memory", |sample| sample.resident), ("memory in use", |sample| sample.in_use)]
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in Self::memory() {
            let slope = self.slope(value) * 100_000.0 / MIB;
            writeln!(f, "slope of {name} after the warm-up: {slope:.3} MiB for 100,000 calls")?;
        }
        let slope = self.slope(|sample| sample.descriptors) * 100_000.0;
        writeln!(f, "slope of descriptors after the warm-up: {slope:.2} for 100,000 calls")
    }
}
