//! Buckets of the round-trip histogram: four to an octave, from 256 ns up.

/// Buckets of one histogram. The last takes everything above.
pub const BUCKETS: usize = 64;
/// Everything below lands in bucket 0, ns.
const FLOOR_SHIFT: u32 = 8;

/// The bucket of a round trip of `ns` nanoseconds; always below [`BUCKETS`].
#[inline(always)]
pub const fn bucket(ns: u64) -> usize {
    let scaled = ns >> FLOOR_SHIFT;
    if scaled < 4 {
        return scaled as usize;
    }
    if scaled >= 1 << 17 {
        return BUCKETS - 1;
    }
    let mut octave = 2;
    let mut rest = scaled >> 3;
    // Bounded by the 17 bits above; a count of leading zeros is not one BPF instruction.
    let mut i = 0;
    while i < 15 {
        if rest != 0 {
            octave += 1;
            rest >>= 1;
        }
        i += 1;
    }
    let quarter = (scaled >> (octave - 2)) & 3;
    let index = 4 * (octave as usize - 1) + quarter as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The upper end of a bucket in nanoseconds (exclusive).
pub const fn upper_bound_ns(bucket: usize) -> u64 {
    if bucket < 4 {
        return (bucket as u64 + 1) << FLOOR_SHIFT;
    }
    let octave = bucket as u32 / 4 + 1;
    let quarter = bucket as u64 % 4;
    ((4 + quarter + 1) << (octave - 2)) << FLOOR_SHIFT
}

/// The value below which a share of `per_mille` thousandths of the samples lie, ns; `None` without samples.
pub fn quantile_ns(histogram: &[u32; BUCKETS], per_mille: u32) -> Option<u64> {
    let total: u64 = histogram.iter().map(|&count| u64::from(count)).sum();
    if total == 0 {
        return None;
    }
    let wanted = (total * u64::from(per_mille)).div_ceil(1000).max(1);
    let mut sum = 0;
    for (index, &count) in histogram.iter().enumerate() {
        sum += u64::from(count);
        if sum >= wanted {
            return Some(upper_bound_ns(index));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_below_its_bucket_s_bound_and_not_below_the_one_before() {
        let mut ns = 0u64;
        while ns < 30_000_000 {
            let index = bucket(ns);
            assert!(ns < upper_bound_ns(index), "{ns} in {index}");
            assert!(index == 0 || ns >= upper_bound_ns(index - 1), "{ns} in {index}");
            ns += 1 + ns / 7;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_the_bound_of_the_bucket_that_holds_it() {
        let mut histogram = [0; BUCKETS];
        assert_eq!(quantile_ns(&histogram, 500), None);
        histogram[bucket(10_000)] = 99;
        histogram[bucket(1_000_000)] = 1;
        assert!(quantile_ns(&histogram, 500).unwrap() <= 12_500);
        assert!(quantile_ns(&histogram, 1000).unwrap() >= 1_000_000);
    }
}
