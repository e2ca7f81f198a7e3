use super::*;

#[test]
fn percentiles_use_the_nearest_rank() {
    let sample = Sample::new("x", (1..=200).rev().map(f64::from).collect()).unwrap();
    assert_eq!((sample.median(), sample.percentile(99), sample.max()), (100.0, 198.0, 200.0));
    assert_eq!((sample.below(3.0), sample.mean()), (2, 100.5));
    let one = Sample::new("x", vec![7.0]).unwrap();
    assert_eq!((one.percentile(0), one.median(), one.max()), (7.0, 7.0, 7.0));
}

#[test]
fn an_empty_or_non_finite_sample_is_refused() {
    assert!(Sample::new("lateness", Vec::new()).unwrap_err().to_string().contains("lateness"));
    assert!(Sample::new("lateness", vec![f64::NAN]).is_err());
}
