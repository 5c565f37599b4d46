//! `#[derive(Event)]`: the event's name and match key, from one attribute.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitStr, Token};

/// What `#[event(…)]` holds.
struct Named {
    name: LitStr,
    key: Option<LitStr>,
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: LitStr = input.parse()?;
        let mut key = None;
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let option: Ident = input.parse()?;
            if option != "key" {
                let message = "unknown option: an event takes its name and `key = \"field\"`";
                return Err(syn::Error::new(option.span(), message));
            }
            input.parse::<Token![=]>()?;
            key = Some(input.parse()?);
        }
        Ok(Self { name, key })
    }
}

pub(crate) fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let item: DeriveInput = syn::parse2(item)?;
    let attribute = item
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("event"))
        .ok_or_else(|| {
            let message = "name the event: #[event(\"area/thing.happened\")]";
            syn::Error::new(Span::call_site(), message)
        })?;
    let Named { name, key } = attribute.parse_args()?;
    check_name(&name)?;
    let key = key.map_or_else(
        || quote!(::core::option::Option::None),
        |key| quote!(::core::option::Option::Some(#key)),
    );
    let ident = &item.ident;
    let (impl_generics, type_generics, bounds) = item.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics ::stepwell::Event for #ident #type_generics #bounds {
            const NAME: &'static str = #name;
            const KEY: ::core::option::Option<&'static str> = #key;
        }
    })
}

fn check_name(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        let message = "an event's name has 1 to 128 bytes and no control characters";
        return Err(syn::Error::new(name.span(), message));
    }
    if text.starts_with("stepwell/") {
        let message = "names that begin with `stepwell/` are the engine's own";
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(())
}
