//! Checks that a plugin's function has the contract's type. wasmtime would check it only at the first call.

use postdate_core::plugin::Role;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use crate::contract::role_of_export;

const VALIDATE: &str = "func({id: string, use-case: string, received-at: string, trigger-at: string, target: option<string>, \
     caller: list<tuple<string, string>>, headers: list<tuple<string, string>>, body: string}) -> \
     result<{body: option<string>, target: option<string>, trigger-at: option<string>}, \
     list<{pointer: string, code: string, message: string}>>";
const PROCESS: &str = "func({id: string, use-case: string, target: string, attempt: u32, scheduled-for: string, body: string}) -> \
     result<option<string>, {message: string, retry: bool, retry-after-seconds: option<u32>}>";

/// Checks the type of the plugin's function. Fails with the end of a sentence that names both types.
pub fn check(engine: &Engine, component: &Component, role: Role) -> Result<(), String> {
    let expected = match role {
        Role::Validate => VALIDATE,
        Role::Process => PROCESS,
    };
    // Inspection has checked that the export exists.
    let Some((interface, function)) = find(engine, component, role) else { return Ok(()) };
    let Some(function) = function else { return Err(format!("exports {interface} without its function {role}")) };
    let found = show(&function);
    if found == expected {
        return Ok(());
    }
    Err(format!("does not export what its interface says: {role} of {interface} is {found}, and has to be {expected}"))
}

/// Returns the exported name of the interface, and its function.
fn find(engine: &Engine, component: &Component, role: Role) -> Option<(String, Option<ComponentFunc>)> {
    let ty = component.component_type();
    let (name, export) = ty.exports(engine).find(|(name, _)| role_of_export(name) == Some((role, true)))?;
    let ComponentItem::ComponentInstance(interface) = export.ty else { return Some((name.to_owned(), None)) };
    let function = interface.get_export(engine, &role.to_string()).and_then(|export| match export.ty {
        ComponentItem::ComponentFunc(function) => Some(function),
        _ => None,
    });
    Some((name.to_owned(), function))
}

fn show(function: &ComponentFunc) -> String {
    let types = |types: Vec<Type>| types.iter().map(show_type).collect::<Vec<_>>().join(", ");
    let asynchronous = if function.async_() { "async " } else { "" };
    let results = types(function.results().collect());
    format!("{asynchronous}func({}) -> {results}", types(function.params().map(|(_, ty)| ty).collect()))
}

/// Returns the type in WIT's syntax, with a record's fields instead of its name. Like wasmtime, ignores the names of types.
fn show_type(ty: &Type) -> String {
    let list = |types: &mut dyn Iterator<Item = Type>| types.map(|ty| show_type(&ty)).collect::<Vec<_>>().join(", ");
    match ty {
        Type::List(ty) => format!("list<{}>", show_type(&ty.ty())),
        Type::Option(ty) => format!("option<{}>", show_type(&ty.ty())),
        Type::Result(ty) => {
            let part = |ty: Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| show_type(&ty));
            format!("result<{}, {}>", part(ty.ok()), part(ty.err()))
        }
        Type::Tuple(ty) => format!("tuple<{}>", list(&mut ty.types())),
        Type::Record(ty) => {
            let fields: Vec<_> = ty.fields().map(|field| format!("{}: {}", field.name, show_type(&field.ty))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Type::Bool => "bool".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::String => "string".to_owned(),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::S64 => "another integer".to_owned(),
        // The contract has none of the others, so one word for all of them is enough.
        _ => "another type".to_owned(),
    }
}

#[cfg(all(test, feature = "compile"))]
mod tests;
