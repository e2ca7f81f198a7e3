use super::*;

const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          100000 kB\n";

#[track_caller]
fn check(files: &[(&str, &str)], expected: Option<u64>) {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    assert_eq!(available_below(root.path()), expected);
}

#[test]
fn the_least_limit_of_machine_and_control_groups_counts() {
    check(&[], None);
    check(&[("proc/meminfo", MEMINFO)], Some(8_000_000 << 10));
    let v2 = [("proc/meminfo", MEMINFO), ("proc/self/cgroup", "0::/a.slice/b.service\n")];
    check(&v2, Some(8_000_000 << 10));
    let own = ("sys/fs/cgroup/a.slice/b.service/memory.max", "1048576\n");
    let above = ("sys/fs/cgroup/a.slice/memory.max", "524288\n");
    check(&[v2[0], v2[1], own, ("sys/fs/cgroup/a.slice/memory.max", "max\n")], Some(1 << 20));
    check(&[v2[0], v2[1], own, above], Some(1 << 19));
    check(&[v2[0], ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "4096\n")], Some(4096));
}

#[test]
fn limits_of_cgroup_v1_count() {
    let groups = ("proc/self/cgroup", "5:cpu,memory:/docker/x\n1:name=systemd:/\n");
    let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check(&[("proc/meminfo", MEMINFO), groups, unlimited], Some(8_000_000 << 10));
    check(&[("proc/meminfo", MEMINFO), groups, ("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "2097152\n")], Some(2 << 20));
}

#[test]
fn memory_of_this_machine_is_known() {
    assert!(available().is_some_and(|bytes| bytes > 64 << 20));
}
