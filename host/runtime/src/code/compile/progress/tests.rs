use std::sync::Mutex;

use super::*;

#[tokio::test]
async fn an_observer_is_notified_until_the_compile_ends() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let told = Arc::clone(&told);
        Progress::to(move |compiling| {
            told.lock().unwrap().push((compiling.use_case.to_owned(), compiling.bytes, (compiling.report, compiling.ended)));
        })
    };
    let subject = Subject { use_case: "orders", role: Role::Validate };
    // Ends after two reports.
    let work = async {
        while told.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, String>(7)
    };
    let result = tokio::time::timeout(Duration::from_secs(30), watched(&progress, subject, 12, work)).await;
    assert_eq!(result.unwrap(), Ok(7));
    let told = told.lock().unwrap();
    assert!(told.iter().all(|(use_case, bytes, _)| use_case == "orders" && *bytes == 12), "{told:?}");
    assert_eq!(told.iter().map(|(_, _, report)| *report).collect::<Vec<_>>(), [(1, false), (2, false), (3, true)]);
}
