//! How callers say who they are, and the scope that each operation needs.

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::{needs, operations};

const SCHEME: &str = "token";

/// Describes it.
pub(super) struct Security;

impl Modify for Security {
    fn modify(&self, api: &mut OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("dt_<id>_<secret>".to_owned());
        scheme.description = Some(
            "A token that `distrack token create` made. Callers on the scheduler's own machine need none, unless it \
             runs with `--auth=tokens`. A token that was revoked is refused within 5 seconds."
                .to_owned(),
        );
        let components = api.components.get_or_insert_default();
        components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
        for (path, operation) in operations(api) {
            let Some(scope) = needs(&path, operation).scope() else { continue };
            let bearer = SecurityRequirement::new(SCHEME, Vec::<String>::new());
            operation.security = Some(vec![SecurityRequirement::default(), bearer]);
            let about = operation.description.take().map(|about| about + "\n\n").unwrap_or_default();
            operation.description = Some(format!("{about}A token needs the scope `{scope}`."));
        }
    }
}
