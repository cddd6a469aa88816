//! From values to places on an axis.

/// Steps of axes within a decade, from coarse to fine.
const MANTISSAS: [&[f64]; 4] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]];
/// No more labels than this.
const MAX_TICKS: usize = 7;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    /// Where there are labels.
    pub ticks: Vec<f64>,
}

impl Scale {
    /// One for `values`: logarithmic if all are positive and it is `wanted`, or else from 0.
    pub fn of(values: impl Iterator<Item = f64> + Clone, wanted: bool) -> Self {
        let (least, most) = values.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), v| (a.min(v), b.max(v)));
        if wanted && least > 0.0 && least.is_finite() && most.is_finite() {
            Self::logarithmic(least, most)
        } else {
            Self::linear(if most.is_finite() { most } else { 0.0 })
        }
    }

    /// From `least` to `most`, which are labelled elsewhere.
    pub fn between(least: f64, most: f64) -> Self {
        Self { from: least, to: most, logarithmic: true, ticks: Vec::new() }
    }

    /// From 0 to a round number at or above `most`.
    pub fn linear(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let decade = 10f64.powf((most / 5.0).log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * decade);
        let step = steps.into_iter().find(|step| most / step <= 5.0 + 1e-9).unwrap_or(most);
        let count = (most / step - 1e-9).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|n| f64::from(n) * step).collect();
        Self { from: 0.0, to: count * step, logarithmic: false, ticks }
    }

    fn logarithmic(least: f64, most: f64) -> Self {
        let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        let all = |mantissas: &[f64]| -> Vec<f64> {
            let decades =
                (low..=high).flat_map(|decade| mantissas.iter().map(move |m| m * 10f64.powi(decade)));
            decades.collect()
        };
        // The finest steps that leave few labels between the last one below and the first one above.
        let mut chosen = vec![least, most];
        for mantissas in MANTISSAS {
            let steps = all(mantissas);
            let from = steps.iter().rposition(|&tick| tick <= least * (1.0 + 1e-9)).unwrap_or(0);
            let to = steps.iter().position(|&tick| tick >= most * (1.0 - 1e-9)).unwrap_or(steps.len() - 1);
            let to = to.max(from + 1).min(steps.len() - 1);
            if to - from < MAX_TICKS && to > from || chosen.len() == 2 {
                chosen = steps[from..=to].to_vec();
            }
        }
        let (from, to) = (chosen[0], chosen[chosen.len() - 1]);
        // Over many decades, only some of them.
        let every = chosen.len().div_ceil(MAX_TICKS);
        let ticks = chosen.into_iter().step_by(every).collect();
        Self { from, to: to.max(from * 1.01), logarithmic: true, ticks }
    }

    /// Where `value` is: 0 at the beginning of the axis, 1 at its end.
    pub fn part(&self, value: f64) -> f64 {
        let Self { from, to, logarithmic, .. } = *self;
        let part = if !logarithmic {
            (value - from) / (to - from)
        } else if value > 0.0 && to > from {
            (value / from).ln() / (to / from).ln()
        } else {
            0.0
        };
        if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_begin_at_0_and_end_at_round_numbers() {
        for (most, ticks) in [
            (100.0, vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),
            (1.0, vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]),
            (130.0, vec![0.0, 50.0, 100.0, 150.0]),
            (0.0, vec![0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]),
        ] {
            assert_eq!(Scale::linear(most).ticks, ticks);
        }
        assert_eq!(Scale::linear(100.0).part(50.0), 0.5);
    }

    #[test]
    fn logarithmic_axes_enclose_their_values() {
        for (least, most) in
            [(69.0, 3250.0), (1450.0, 23000.0), (99.0, 101.0), (5.0, 5.0), (1e-3, 1e9), (1.0, 10.0)]
        {
            let scale = Scale::of([least, most].into_iter(), true);
            assert!(scale.from <= least * 1.001 && scale.to >= most * 0.999, "{scale:?}");
            assert!((2..=8).contains(&scale.ticks.len()), "{scale:?}");
            assert!(scale.ticks.is_sorted() && scale.part(least) <= scale.part(most), "{scale:?}");
        }
        let scale = Scale::of([1.0, 100.0].into_iter(), true);
        assert!((scale.part(10.0) - 0.5).abs() < 1e-9);
        // A zero has no place on a logarithmic axis.
        assert_eq!(Scale::of([0.0, 10.0].into_iter(), true).ticks[0], 0.0);
        assert_eq!(Scale::of([].into_iter(), true).from, 0.0);
    }
}
