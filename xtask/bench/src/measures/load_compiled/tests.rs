use super::*;

fn guest(times: &[[u64; 3]]) -> Guest {
    let millis = Duration::from_millis;
    let times = times.iter().map(|[load, digest, call]| Times { load: millis(*load), digest: millis(*digest), call: millis(*call) });
    Guest { bundle: PathBuf::new(), code: PathBuf::new(), times: times.collect() }
}

#[test]
fn rows_are_medians_with_the_baseline_of_the_same_guest() {
    let rust = || guest(&[[3, 1, 2], [1, 1, 1], [1, 2, 1]]);
    let js = guest(&[[6, 4, 7], [6, 4, 9], [90, 90, 8]]);
    let found = rows(&[rust(), js]).unwrap();
    let shown: Vec<_> = found.iter().map(|row| (row.id, row.value, row.baseline[0].1, row.met())).collect();
    assert_eq!(
        shown,
        [("load-compiled-rust", 1.0, 1.0, Some(true)), ("load-compiled-js", 6.0, 4.0, Some(false)), ("call-js", 8.0, 1.0, None)]
    );
    assert_eq!(rows(&[rust()]).unwrap().len(), 1, "without Node.js");
    assert!(rows(&[guest(&[])]).is_err());
}

#[test]
fn exactly_one_file_of_machine_code_is_required() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("artifacts.json"), "{}").unwrap();
    assert!(only_code(dir.path()).is_err());
    let code = dir.path().join("validate.x86_64.cwasm");
    std::fs::write(&code, "code").unwrap();
    assert_eq!(only_code(dir.path()).unwrap(), code);
    assert!(digest(&code).is_ok() && digest(&dir.path().join("none")).is_err());
    std::fs::write(dir.path().join("process.x86_64.cwasm"), "code").unwrap();
    assert!(only_code(dir.path()).unwrap_err().to_string().contains("not have exactly one file"));
}
