//! `#[workflow]`: sugar over the `Workflow` trait, which can be implemented by hand.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    Expr, ExprLit, ExprMethodCall, FnArg, GenericArgument, Ident, ItemFn, Lit, LitInt, LitStr,
    Path, Token, Type,
};

/// What stands in the attribute's parentheses.
#[derive(Default)]
struct Options {
    on: Option<Type>,
    name: Option<LitStr>,
    retries: Option<LitInt>,
    retry: Option<Expr>,
    version: Option<LitInt>,
    cancel_on: Vec<Type>,
    on_failure: Option<Path>,
    cron: Option<LitStr>,
    zone: Option<LitStr>,
    missed: Option<Expr>,
    overlap: Option<Expr>,
    start_within: Option<Expr>,
    finish_within: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match option.to_string().as_str() {
                "retry" => options.retry = Some(input.parse()?),
                "cancel_on" => options.cancel_on = event_types(input)?,
                "on_failure" => options.on_failure = Some(input.parse()?),
                "cron" => options.cron = Some(input.parse()?),
                "zone" => options.zone = Some(input.parse()?),
                "missed" => options.missed = Some(input.parse()?),
                "overlap" => options.overlap = Some(input.parse()?),
                "start_within" => options.start_within = Some(input.parse()?),
                "finish_within" => options.finish_within = Some(input.parse()?),
                "on" => options.on = Some(input.parse()?),
                "name" => options.name = Some(input.parse()?),
                "retries" => options.retries = Some(input.parse()?),
                "version" => options.version = Some(input.parse()?),
                _ => {
                    let message = "unknown option: a workflow takes `on = EventType`, \
                                   `name = \"…\"`, `version = N`, `retries = N`, `retry = policy`, \
                                   `cancel_on = EventType`, `on_failure = workflow`, \
                                   `cron = \"…\"` with `zone`, `missed` and `overlap`, \
                                   `start_within` and `finish_within = duration`";
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
    let terms = terms(&options, &input)?;
    let waits = Waits::of(&function);
    let output = match &function.sig.output {
        syn::ReturnType::Type(_, output) => quote!(#output),
        syn::ReturnType::Default => quote!(()),
    };
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
            #terms
            fn waits(&self) -> ::std::vec::Vec<::stepwell::EventType> {
                ::std::vec![#(::stepwell::EventType::of::<#waits>()),*]
            }
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

        impl ::stepwell::TypedWorkflow for #ident {
            type Input = #input;
            type Output = <#output as ::stepwell::expanded::Returned>::Output;
        }
    })
}

/// One event type, or several in parentheses.
fn event_types(input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    Ok(match input.parse()? {
        Type::Tuple(several) => several.elems.into_iter().collect(),
        one => vec![one],
    })
}

/// The methods for what a workflow says of its starts and ends.
fn terms(options: &Options, input: &Type) -> syn::Result<TokenStream> {
    let some = |value: TokenStream| quote!(::core::option::Option::Some(#value));
    let retry = options.retry.as_ref().map(|policy| {
        let policy = some(quote!(#policy));
        quote! {
            fn retry(&self) -> ::core::option::Option<::stepwell::RetryPolicy> { #policy }
        }
    });
    let cancel_on = &options.cancel_on;
    let cancel_on = (!cancel_on.is_empty()).then(|| {
        quote! {
            fn cancel_on(&self) -> ::std::vec::Vec<::stepwell::EventType> {
                ::std::vec![#(::stepwell::EventType::of::<#cancel_on>()),*]
            }
        }
    });
    let on_failure = options.on_failure.as_ref().map(|workflow| {
        // The span makes a mismatch point at the workflow named, not at the attribute.
        let takes = quote_spanned! {workflow.span()=>
            fn takes_a_failed_run<W>(_: &W)
            where
                W: ::stepwell::TypedWorkflow<Input = ::stepwell::FailedRun>,
            {}
            takes_a_failed_run(&#workflow);
        };
        quote! {
            fn on_failure(&self) -> ::core::option::Option<&'static str> {
                #takes
                ::core::option::Option::Some(::stepwell::Workflow::name(&#workflow))
            }
        }
    });
    let within = |name: &str, limit: &Option<Expr>| {
        let name = Ident::new(name, proc_macro2::Span::call_site());
        limit.as_ref().map(|limit| {
            quote! {
                fn #name(&self) -> ::core::option::Option<::core::time::Duration> {
                    ::core::option::Option::Some(#limit)
                }
            }
        })
    };
    let start_within = within("start_within", &options.start_within);
    let finish_within = within("finish_within", &options.finish_within);
    let cron = cron(options, input)?;
    Ok(quote! { #retry #cancel_on #on_failure #start_within #finish_within #cron })
}

fn cron(options: &Options, input: &Type) -> syn::Result<Option<TokenStream>> {
    let Some(expression) = &options.cron else {
        let about_time = [&options.missed, &options.overlap];
        if let Some(option) = about_time.into_iter().flatten().next() {
            let message = "`missed` and `overlap` belong to `cron = \"…\"`";
            return Err(syn::Error::new(option.span(), message));
        }
        if let Some(zone) = &options.zone {
            let message = "`zone` belongs to `cron = \"…\"`";
            return Err(syn::Error::new(zone.span(), message));
        }
        return Ok(None);
    };
    if options.on.is_some() {
        let message = "a workflow is started `on` an event or by `cron`, whose inputs differ: \
                       write two that share a function";
        return Err(syn::Error::new(expression.span(), message));
    }
    let zone = options.zone.clone();
    let zone = zone.unwrap_or_else(|| LitStr::new("UTC", expression.span()));
    let missed = options.missed.as_ref().map_or_else(
        || quote!(::stepwell::Missed::Latest),
        |missed| quote!(#missed),
    );
    let overlap = options.overlap.as_ref().map_or_else(
        || quote!(::stepwell::Overlap::Skip),
        |overlap| quote!(#overlap),
    );
    let same = quote_spanned! {input.span()=>
        #[expect(dead_code, reason = "compiled to check that the input is a tick")]
        fn input_is_a_tick(tick: ::stepwell::Tick) -> #input { tick }
    };
    Ok(Some(quote! {
        fn cron(&self) -> ::core::option::Option<::stepwell::Cron> {
            #same
            ::core::option::Option::Some(::stepwell::Cron {
                expression: #expression,
                zone: #zone,
                missed: #missed,
                overlap: #overlap,
            })
        }
    }))
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

/// The calls whose first argument names a step.
const NAMED_CALLS: [&str; 17] = [
    "run",
    "run_blocking",
    "transaction",
    "sleep",
    "sleep_until",
    "wait_for",
    "wait_signal",
    "invoke",
    "start",
    "send",
    "send_all",
    "signal",
    "join",
    "map",
    "race",
    "scope",
    "on_undo",
];

/// The event types a function spells out as `wait_for::<E>`.
#[derive(Default)]
struct Waits(Vec<Type>);

impl Waits {
    fn of(function: &ItemFn) -> Vec<Type> {
        let mut waits = Self::default();
        waits.visit_block(&function.block);
        waits.0
    }
}

impl<'ast> Visit<'ast> for Waits {
    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == "wait_for"
            && let Some(types) = &call.turbofish
            && let Some(GenericArgument::Type(event)) = types.args.first()
        {
            self.0.push(event.clone());
        }
        syn::visit::visit_expr_method_call(self, call);
    }
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
        let durable = NAMED_CALLS.iter().any(|known| call.method == known);
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
