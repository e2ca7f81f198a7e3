//! Both plugins of the use case in one component.

mod process;
mod validate;
