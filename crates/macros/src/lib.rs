//! The workflow attribute and the Event derive, and the quality of their error messages.
