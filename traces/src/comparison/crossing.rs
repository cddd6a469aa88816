//! Where two lines cross.

/// A crossing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The measured points around it; twice the same if the lines meet there.
    pub between: (f64, f64),
    /// Where the lines cross that join the points, with logarithmic axes.
    pub at: f64,
    /// Whether it is the first line that is lower behind it.
    pub first_becomes_less: bool,
}

/// How far `a` is above `b`, on a logarithmic axis if both can be on one.
fn above(a: f64, b: f64) -> f64 {
    if a > 0.0 && b > 0.0 { a.ln() - b.ln() } else { a - b }
}

/// The crossings of lines `a` and `b` over `xs`, which are positive and in any order. Gaps cross nothing, and lines
/// that only touch do not either.
pub fn find(xs: &[f64], a: &[Option<f64>], b: &[Option<f64>]) -> Vec<Crossing> {
    let mut points: Vec<Option<(f64, f64)>> = Vec::new();
    let mut order: Vec<usize> = (0..xs.len()).collect();
    order.sort_by(|&n, &m| xs[n].total_cmp(&xs[m]));
    for n in order {
        let value = |line: &[Option<f64>]| line.get(n).copied().flatten();
        points.push(value(a).zip(value(b)).map(|(a, b)| (xs[n], above(a, b))));
    }
    let mut crossings = Vec::new();
    // The last point at which the lines were apart, and the first one behind it at which they met.
    let (mut apart, mut met): (Option<(f64, f64)>, Option<f64>) = (None, None);
    for point in points {
        let Some((x, difference)) = point else {
            (apart, met) = (None, None);
            continue;
        };
        if difference == 0.0 {
            met = met.or(Some(x));
            continue;
        }
        if let Some((before, old)) = apart.filter(|(_, old)| (*old < 0.0) != (difference < 0.0)) {
            let first_becomes_less = difference < 0.0;
            crossings.push(match met {
                Some(at) => Crossing { between: (at, at), at, first_becomes_less },
                None => {
                    let part = old / (old - difference);
                    let at = (before.ln() + part * (x.ln() - before.ln())).exp();
                    Crossing { between: (before, x), at, first_becomes_less }
                }
            });
        }
        (apart, met) = (Some((x, difference)), None);
    }
    crossings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().map(|&v| (!v.is_nan()).then_some(v)).collect()
    }

    fn crossings(a: &[f64], b: &[f64]) -> Vec<Crossing> {
        find(&[1.0, 2.0, 4.0, 8.0], &some(a), &some(b))
    }

    #[test]
    fn lines_cross_between_points() {
        // A line of slope -1 and a horizontal one, as they are drawn.
        let found = crossings(&[800.0, 400.0, 200.0, 100.0], &[300.0; 4]);
        let [crossing] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((crossing.between, crossing.first_becomes_less), ((2.0, 4.0), true));
        assert!((crossing.at - 8.0 / 3.0).abs() < 1e-9, "{crossing:?}");
        let back = crossings(&[300.0; 4], &[800.0, 400.0, 200.0, 100.0]);
        assert!(!back[0].first_becomes_less && (back[0].at - crossing.at).abs() < 1e-9);
    }

    #[test]
    fn lines_may_meet_in_a_point() {
        let found = crossings(&[4.0, 3.0, 2.0, 1.0], &[3.0; 4]);
        assert_eq!(found, [Crossing { between: (2.0, 2.0), at: 2.0, first_becomes_less: true }]);
        // They touch, or are the same, and go apart as they were.
        assert_eq!(crossings(&[4.0, 3.0, 3.0, 4.0], &[3.0; 4]), []);
        assert_eq!(crossings(&[3.0, 3.0, 3.0, 4.0], &[3.0; 4]), []);
    }

    #[test]
    fn several_and_none() {
        assert_eq!(crossings(&[1.0, 3.0, 1.0, 3.0], &[2.0; 4]).len(), 3);
        assert_eq!(crossings(&[1.0; 4], &[2.0; 4]), []);
        assert_eq!(crossings(&[], &[]), []);
        // Nobody knows what is in a gap.
        assert_eq!(crossings(&[1.0, f64::NAN, 3.0, 3.0], &[2.0; 4]), []);
    }

    #[test]
    fn points_need_no_order_and_zero_is_a_value() {
        let found = find(&[4.0, 1.0], &some(&[0.0, 1.0]), &some(&[0.5, 0.5]));
        assert_eq!(found[0].between, (1.0, 4.0));
        assert!(found[0].at > 1.0 && found[0].at < 4.0 && found[0].first_becomes_less);
    }
}
