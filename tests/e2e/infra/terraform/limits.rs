//! Limits of the variables, and conditions under which the roles have a statement.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::template::resources_of;
use super::super::tools::{terraform, translated};
use super::snake;

/// Returns the text of Terraform's condition for a condition of the template.
fn condition(definition: &Value) -> String {
    let variable = |value: &Value| format!("var.{}", snake(value["Ref"].as_str().expect("a parameter")));
    let equals = |value: &Value| value["Fn::Equals"].as_array().cloned().unwrap_or_else(|| panic!("{definition}"));
    if let Some(negated) = definition["Fn::Not"][0].as_object() {
        let sides = equals(&json!(negated));
        assert_eq!(sides[1], "", "{definition}");
        // A list is empty if its texts together are.
        let joined = &sides[0]["Fn::Join"][1];
        return if joined.is_null() { format!("{} != \"\"", variable(&sides[0])) } else { format!("length({}) > 0", variable(joined)) };
    }
    let sides = equals(definition);
    format!("{} == {}", variable(&sides[0]), sides[1])
}

#[test]
fn roles_omit_a_statement_under_the_conditions_of_the_template() {
    let locals = &terraform()["locals"];
    let text = locals["omitted"].as_str().and_then(|text| text.strip_prefix("${concat(")?.strip_suffix("])}")).expect("a concatenation");
    let mut theirs = BTreeMap::new();
    for part in text.split("], ") {
        let (condition, ids) = part.split_once(" ? [] : [").expect("a condition and its statements");
        let condition = match condition.strip_prefix("local.") {
            Some(name) => locals[name].as_str().and_then(|text| text.strip_prefix("${")?.strip_suffix('}')).expect("a local condition"),
            None => condition,
        };
        theirs.extend(ids.split(", ").map(|id| (id.trim_matches('"').to_owned(), condition.to_owned())));
    }
    let mut ours = BTreeMap::new();
    for (name, role) in resources_of("AWS::IAM::Role") {
        for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().expect("statements") {
            let Some([of_template, with, without]) = statement["Fn::If"].as_array().map(Vec::as_slice) else { continue };
            assert_eq!(without, &json!({ "Ref": "AWS::NoValue" }), "{name}");
            let id = with["Sid"].as_str().expect("a statement").to_owned();
            let of_template = condition(&translated()["Conditions"][of_template.as_str().expect("a name")]);
            let before = ours.insert(id.clone(), of_template.clone());
            assert!(before.is_none_or(|before| before == of_template), "{name}: the roles have {id} under different conditions");
        }
    }
    assert_eq!(theirs, ours);
}

/// Returns the condition that a variable must fulfil by the parameter's limits.
fn limit(name: &str, parameter: &Value, is_number: bool) -> Option<String> {
    let variable = format!("var.{name}");
    if let Some(values) = parameter["AllowedValues"].as_array() {
        // CloudFormation has a number as a text where it is the key of a mapping.
        let text = |value: &Value| if is_number { super::text(value) } else { value.to_string() };
        return Some(format!("contains([{}], {variable})", values.iter().map(text).collect::<Vec<_>>().join(", ")));
    }
    if let Some(pattern) = parameter["AllowedPattern"].as_str() {
        return Some(match parameter["Type"].as_str() {
            Some("CommaDelimitedList") => format!("alltrue([for one in {variable} : can(regex(\"{pattern}\", one))])"),
            _ => format!("can(regex(\"{pattern}\", {variable}))"),
        });
    }
    let bounds = [("MinValue", ">="), ("MaxValue", "<=")];
    let bounds = bounds.iter().filter_map(|(bound, sign)| Some(format!("{variable} {sign} {}", parameter.get(bound)?)));
    Some(bounds.collect::<Vec<_>>().join(" && ")).filter(|all| !all.is_empty())
}

#[test]
fn variables_have_the_types_and_limits_of_the_parameters() {
    for (name, parameter) in translated()["Parameters"].as_object().expect("parameters") {
        let name = snake(name);
        let variable = &terraform()["variables"][&name];
        let kind = variable["type"].as_str().expect("a type").trim_start_matches("${").trim_end_matches('}');
        let expected = match parameter["Type"].as_str().expect("a type") {
            "CommaDelimitedList" => "list(string)",
            "Number" => "number",
            _ if parameter["AllowedValues"][0].as_str().is_some_and(|value| value.parse::<u64>().is_ok()) => "number",
            _ => "string",
        };
        assert_eq!(kind, expected, "{name}");
        let expected = limit(&name, parameter, kind == "number").map(|condition| json!(format!("${{{condition}}}")));
        assert_eq!(variable.pointer("/validation/0/condition"), expected.as_ref(), "{name}");
    }
    // The template's rule of JWT.
    let authorizer = &terraform()["resources"]["aws_apigatewayv2_authorizer.jwt"];
    let condition = authorizer.pointer("/lifecycle/0/precondition/0/condition");
    assert_eq!(condition, Some(&json!("${var.jwt_issuer != \"\" && length(var.jwt_audience) > 0}")));
}
