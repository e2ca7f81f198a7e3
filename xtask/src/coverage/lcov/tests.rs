use super::*;

#[test]
fn the_table_sums_one_package_and_lists_files_with_most_uncovered_lines_first() {
    let report = "SF:/w/host/runtime/src/a.rs\nDA:1,5\nLF:10\nLH:9\nBRF:4\nBRH:2\nend_of_record\n\
                  SF:/w/host/runtime/src/b/c.rs\nLF:20\nLH:10\nend_of_record\n\
                  SF:/w/host/core/src/d.rs\nLF:7\nLH:0\nend_of_record\n";
    let table = table("postdate-runtime", Path::new("/w/host/runtime/src"), report);
    let lines: Vec<String> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        ["coverage lines branches", "postdate-runtime 19/30 63.3 % 2/4 50.0 %", "b/c.rs 10/20 50.0 % none", "a.rs 9/10 90.0 % 2/4 50.0 %"]
    );
}
