//! `#[workflow]`: sugar over the `Workflow` trait, which can be implemented by hand.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Expr, ExprLit, ExprMethodCall, FnArg, Ident, ItemFn, Lit, LitInt, LitStr, Token, Type};

/// What stands in the attribute's parentheses.
#[derive(Default)]
struct Options {
    on: Option<Type>,
    name: Option<LitStr>,
    retries: Option<LitInt>,
    version: Option<LitInt>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match option.to_string().as_str() {
                "on" => options.on = Some(input.parse()?),
                "name" => options.name = Some(input.parse()?),
                "retries" => options.retries = Some(input.parse()?),
                "version" => options.version = Some(input.parse()?),
                _ => {
                    let message = "unknown option: a workflow takes `on = EventType`, \
                                   `name = \"…\"`, `retries = N`, `version = N`";
                    return Err(syn::Error::new(option.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

pub(crate) fn expand(options: TokenStream, function: TokenStream) -> syn::Result<TokenStream> {
    let options: Options = syn::parse2(options)?;
    let function: ItemFn = syn::parse2(function)?;
    let input = check(&function)?;
    let (ident, visibility, attributes) = (&function.sig.ident, &function.vis, &function.attrs);
    let name = match &options.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.to_string().replace('_', "-"), ident.span()),
    };
    let trigger = options.on.as_ref().map(|event| {
        // The span makes a mismatch point at the input's type, not at the attribute.
        let same = quote_spanned! {input.span()=>
            #[expect(dead_code, reason = "compiled to check that the input is the event")]
            fn input_is_the_event(event: #event) -> #input { event }
        };
        quote! {
            fn trigger(&self) -> ::core::option::Option<&'static str> {
                #same
                ::core::option::Option::Some(<#event as ::stepwell::Event>::NAME)
            }
        }
    });
    let retries = options.retries.as_ref().map(|retries| {
        quote! {
            fn retries(&self) -> ::core::option::Option<u32> { ::core::option::Option::Some(#retries) }
        }
    });
    let version = options.version.as_ref().map(|version| {
        quote! { fn version(&self) -> u32 { #version } }
    });
    let steps = StepNames::of(&function);
    let inner = ItemFn {
        attrs: Vec::new(),
        vis: syn::Visibility::Inherited,
        ..function.clone()
    };
    Ok(quote! {
        #(#attributes)*
        #[expect(non_camel_case_types, reason = "stands for the function of this name")]
        #[derive(Debug, Clone, Copy)]
        #visibility struct #ident;

        impl ::stepwell::Workflow for #ident {
            fn name(&self) -> &'static str { #name }
            #version
            #trigger
            #retries
            fn steps(&self) -> &'static [&'static str] { &[#(#steps),*] }
            fn run<'a>(
                &'a self,
                step: &'a mut ::stepwell::Step,
                input: ::stepwell::Payload,
            ) -> ::stepwell::WorkflowFuture<'a> {
                #inner
                ::std::boxed::Box::pin(::stepwell::expanded::call(step, input, #ident))
            }
        }
    })
}

/// The type of the input, when the function has the shape of a workflow.
fn check(function: &ItemFn) -> syn::Result<Type> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let message = "a workflow is an `async fn`";
        return Err(syn::Error::new(signature.fn_token.span(), message));
    }
    if !signature.generics.params.is_empty() {
        let message = "a workflow has no type or lifetime parameters: it is registered once";
        return Err(syn::Error::new(signature.generics.span(), message));
    }
    let shape = "a workflow takes `step: &mut Step` and one input";
    let mut inputs = signature.inputs.iter();
    let (Some(FnArg::Typed(step)), Some(FnArg::Typed(input)), None) =
        (inputs.next(), inputs.next(), inputs.next())
    else {
        return Err(syn::Error::new(signature.inputs.span(), shape));
    };
    let mutable = matches!(&*step.ty, Type::Reference(reference) if reference.mutability.is_some());
    if !mutable {
        return Err(syn::Error::new(step.ty.span(), shape));
    }
    Ok((*input.ty).clone())
}

/// The literal names of the steps a function spells out, in order, each once.
#[derive(Default)]
struct StepNames(Vec<LitStr>);

impl StepNames {
    fn of(function: &ItemFn) -> Vec<LitStr> {
        let mut names = Self::default();
        names.visit_block(&function.block);
        names.0
    }
}

impl<'ast> Visit<'ast> for StepNames {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        // The receiver first: in a chain it was written, and runs, before the call.
        self.visit_expr(&call.receiver);
        let durable = call.method == "run" || call.method == "transaction";
        if let (
            true,
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            })),
        ) = (durable, call.args.first())
            && !self.0.iter().any(|known| known.value() == name.value())
        {
            self.0.push(name.clone());
        }
        for argument in &call.args {
            self.visit_expr(argument);
        }
    }
}
