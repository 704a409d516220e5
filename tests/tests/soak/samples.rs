//! Samples this process's memory and descriptors, and checks that they do not grow.

use std::fmt;

const MIB: f64 = 1_048_576.0;

/// The table's head.
pub const HEAD: &str = "| calls | resident, MiB | in use, MiB | descriptors |\n|---|---|---|---|";

/// Memory and descriptors at one moment.
#[derive(Clone, Copy)]
pub struct Sample {
    calls: usize,
    /// Resident bytes.
    resident: usize,
    /// Allocated bytes.
    in_use: usize,
    descriptors: usize,
}

impl Sample {
    /// Takes a sample after this number of calls.
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

/// The bounds that must hold.
pub struct Bounds {
    /// Bytes that memory in use may grow by with each call.
    growth: f64,
    resident: Resident,
    descriptors: usize,
}

/// The bound of resident memory. An allocator returns little: it grows with the greatest number of connections so far, which
/// only a long run reaches.
enum Resident {
    /// It grows no more than memory in use may.
    Flat,
    /// It is at most this plus twice the most bytes in use: nothing is held that the allocator does not know of.
    Most(usize),
}

impl Bounds {
    /// 1 MiB for 100,000 calls in a run at full length, and 4 MiB over the whole of a short one.
    pub fn of(calls: usize, in_flight: usize) -> Self {
        let (growth, resident) = if calls >= crate::FULL {
            (MIB / 100_000.0, Resident::Flat)
        } else {
            (4.0 * MIB / calls as f64, Resident::Most(16 << 20))
        };
        // A connection for each call; as many again that were begun when none was free, and came too late; and the runtime's own.
        Self { growth, resident, descriptors: 2 * in_flight + 100 }
    }
}

/// One of a sample's values.
type Value = fn(&Sample) -> usize;

const RESIDENT: Value = |sample| sample.resident;
const IN_USE: Value = |sample| sample.in_use;

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

    /// The growth of a value per call: least squares over the samples after the warm-up.
    fn slope(&self, value: Value) -> f64 {
        let (calls, values) = (self.deviations(|sample| sample.calls), self.deviations(value));
        product(&calls, &values) / product(&calls, &calls)
    }

    /// The same at a constant number of descriptors. Connections have buffers, and their number varies: least squares with two
    /// regressors separate that effect from the effect of the calls.
    fn slope_beside_descriptors(&self, value: Value) -> f64 {
        let (calls, values) = (self.deviations(|sample| sample.calls), self.deviations(value));
        let descriptors = self.deviations(|sample| sample.descriptors);
        let (both, alone) = (product(&calls, &descriptors), product(&descriptors, &descriptors));
        let determinant = product(&calls, &calls) * alone - both * both;
        if determinant > 0.0 {
            (product(&calls, &values) * alone - product(&descriptors, &values) * both) / determinant
        } else {
            // Always as many.
            self.slope(value)
        }
    }

    /// The deviation of each value from the mean.
    fn deviations(&self, value: Value) -> Vec<f64> {
        let values: Vec<f64> = self.warm().iter().map(|sample| value(sample) as f64).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.into_iter().map(|value| value - mean).collect()
    }

    fn most(&self, value: Value) -> usize {
        self.all.iter().map(value).max().unwrap_or(0)
    }

    /// The bounds that do not hold, in words.
    pub fn missed(&self, bounds: &Bounds) -> Vec<String> {
        let mut missed = Vec::new();
        let mut flat = |name, slope: f64| {
            if slope >= bounds.growth {
                missed
                    .push(format!("{name} grows by {slope:.1} bytes a call, more than {:.1}", bounds.growth));
            }
        };
        flat("memory in use", self.slope_beside_descriptors(IN_USE));
        match bounds.resident {
            Resident::Flat => flat("resident memory", self.slope(RESIDENT)),
            Resident::Most(bytes) => {
                let (most, bound) = (self.most(RESIDENT), 2 * self.most(IN_USE) + bytes);
                if most > bound {
                    missed.push(format!("{most} bytes are resident, more than {bound}"));
                }
            }
        }
        let most = self.most(|sample| sample.descriptors);
        if most > bounds.descriptors {
            missed.push(format!("{most} descriptors, more than {}", bounds.descriptors));
        }
        missed
    }
}

/// The inner product.
fn product(these: &[f64], those: &[f64]) -> f64 {
    these.iter().zip(those).map(|(one, other)| one * other).sum()
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slopes = [
            ("resident memory", self.slope(RESIDENT)),
            ("memory in use", self.slope(IN_USE)),
            ("memory in use beside descriptors", self.slope_beside_descriptors(IN_USE)),
        ];
        for (name, slope) in slopes {
            let slope = slope * 100_000.0 / MIB;
            writeln!(f, "slope of {name} after the warm-up: {slope:.3} MiB for 100,000 calls")?;
        }
        let slope = self.slope(|sample| sample.descriptors) * 100_000.0;
        writeln!(f, "slope of descriptors after the warm-up: {slope:.2} for 100,000 calls")
    }
}
