use super::*;
use crate::code::artifacts::Arch;

#[test]
fn incomplete_work_is_refused_and_written_work_is_read_back() {
    assert!(serde_json::from_str::<CompileTask>("{}").unwrap_err().to_string().contains("bytes"));
    let limits = CompileLimits { memory: 1 << 30, cpu: std::time::Duration::from_millis(10), ..CompileLimits::default() };
    let work = CompileTask::new(12, &limits, CompileTarget::Every(Arch::Arm64));
    let text = serde_json::to_string(&work).unwrap();
    assert_eq!(text, r#"{"bytes":12,"memory":1073741824,"cpu_seconds":1,"niceness":15,"target":{"every":"arm64"}}"#);
    assert_eq!(serde_json::from_str::<CompileTask>(&text).unwrap(), work);
}
