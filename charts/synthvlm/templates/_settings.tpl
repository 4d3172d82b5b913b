{{/* The settings file of a service: what the chart decides, under the workload's own config. */}}
{{- define "synthvlm.settings" -}}
{{- $values := .root.Values -}}
{{- $made := dict
  "profile" $values.profile
  "listen" "0.0.0.0:50051"
  "health_listen" "0.0.0.0:50052"
  "metrics_listen" "0.0.0.0:9090"
  "store_roots" (list $values.store.uri)
  "max_connection_age_seconds" 300
-}}
{{- with $values.telemetry.otlpEndpoint }}{{ $_ := set $made "otlp_endpoint" . }}{{ end -}}
{{- if $values.auth.tokenSecret }}{{ $_ := set $made "token_file" "/run/secrets/token/token" }}{{ end -}}
{{- with include "synthvlm.auth" .root | fromYaml }}{{ $_ := set $made "auth" . }}{{ end -}}
{{- if $values.tls.enabled -}}
  {{- $_ := set $made "tls_certificate_file" "/run/secrets/tls/tls.crt" -}}
  {{- $_ := set $made "tls_key_file" "/run/secrets/tls/tls.key" -}}
  {{- if $values.tls.mutual }}{{ $_ := set $made "tls_client_ca_file" "/run/secrets/tls/ca.crt" }}{{ end -}}
{{- end -}}
{{- if has .name (list "dataset" "review") -}}
  {{- $_ := set $made "database" $values.catalogue.database -}}
  {{- if $values.catalogue.passwordSecret }}{{ $_ := set $made "database_password_file" "/run/secrets/database/password" }}{{ end -}}
{{- end -}}
{{- if eq .name "review" -}}
  {{- $_ := set $made "web" (dict "listen" (ternary (printf "0.0.0.0:%d" (int .c.webPort)) nil (ne (int .c.webPort) 0)) "public_url" (include "synthvlm.pageUrl" .)) -}}
{{- end -}}
{{- if and (eq .name "generation") $values.engines.enabled }}{{ $_ := set $made "tensorrt" (dict "store" $values.store.uri) }}{{ end -}}
{{- if and (eq .name "generation") $values.triton.enabled -}}
  {{- $_ := mustMergeOverwrite $made (dict "engine" "triton" "triton" (dict "endpoints" (include "synthvlm.tritonEndpoints" .root | fromYamlArray))) -}}
  {{- if and $values.tls.enabled $values.tls.triton -}}
    {{- $_ := set $made.triton "tls_ca_file" "/run/secrets/triton/ca.crt" -}}
    {{- if $values.tls.mutual -}}
      {{- $_ := set $made.triton "tls_certificate_file" "/run/secrets/triton/tls.crt" -}}
      {{- $_ := set $made.triton "tls_key_file" "/run/secrets/triton/tls.key" -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $made (deepCopy .c.config)) -}}
{{- end -}}

{{/* Callers whose tokens others vouch for. The pods of `helm test` are callers like others. */}}
{{- define "synthvlm.auth" -}}
{{- $auth := .Values.auth -}}
{{- if or $auth.kubernetes.audience $auth.oidc.issuer -}}
cache_seconds: {{ $auth.cacheSeconds }}
{{- with $auth.kubernetes }}
{{- if .audience }}
kubernetes:
  audience: {{ .audience | quote }}
  grants:
    - users: ["system:serviceaccount:{{ $.Release.Namespace }}:{{ include "synthvlm.fullname" $ }}-test"]
      scopes: ["*:use"]
    {{- with .grants }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
{{- end }}
{{- with $auth.oidc }}
{{- if .issuer }}
oidc:
  issuer: {{ .issuer | quote }}
  audience: {{ .audience | quote }}
  algorithms: {{ toJson .algorithms }}
  {{- if .caSecret }}
  ca_file: /run/secrets/provider/ca.crt
  {{- end }}
  user_claim: {{ .userClaim | quote }}
  groups_claim: {{ .groupsClaim | quote }}
  scopes_claim: {{ .scopesClaim | quote }}
  grants: {{ toJson .grants }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Where people open the page of a service: as it is exposed, or through kubectl port-forward. */}}
{{- define "synthvlm.pageUrl" -}}
{{- $exposure := .root.Values.exposure -}}
{{- if eq $exposure.kind "gateway" -}}
https://{{ .name }}{{ ternary "-web" "" $exposure.grpc }}.{{ $exposure.domain }}
{{- else if eq $exposure.kind "ingress" -}}
{{ ternary "https" "http" (ne $exposure.tlsSecret "") }}://{{ .name }}.{{ $exposure.domain }}
{{- else -}}
http://localhost:{{ .c.webPort }}
{{- end -}}
{{- end -}}

{{/* The settings file of a Triton server: those of the generation service, as both must hold the same model. */}}
{{- define "synthvlm.tritonSettings" -}}
{{- $made := dict "profile" .root.Values.profile "listen" "0.0.0.0:8001" "metrics_listen" "0.0.0.0:9090" "repository" "/tmp/triton" -}}
{{- if .root.Values.engines.enabled }}{{ $_ := set $made "tensorrt" (dict "store" .root.Values.store.uri) }}{{ end -}}
{{- if and .root.Values.tls.enabled .root.Values.tls.triton -}}
  {{- $_ := set $made "tls_certificate_file" "/run/secrets/tls/tls.crt" -}}
  {{- $_ := set $made "tls_key_file" "/run/secrets/tls/tls.key" -}}
  {{- if .root.Values.tls.mutual }}{{ $_ := set $made "tls_client_ca_file" "/run/secrets/tls/ca.crt" }}{{ end -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $made (deepCopy .generation.config) (deepCopy .c.config)) -}}
{{- end -}}

{{/* Each server by its own name, because the service sends an image to the least busy one. */}}
{{- define "synthvlm.tritonEndpoints" -}}
{{- $host := include "synthvlm.host" (dict "root" . "name" "triton") -}}
{{- range $i := until (int (.Values.triton.replicas | default .Values.defaults.replicas)) }}
- {{ include "synthvlm.fullname" $ }}-triton-{{ $i }}.{{ $host }}:8001
{{- end -}}
{{- end -}}

{{/* Settings as the environment's variables, for a program that takes no file: lists and sections as JSON. */}}
{{- define "synthvlm.settingsEnvironment" -}}
{{- $env := dict -}}
{{- range $key, $value := .config -}}
  {{- $_ := set $env (printf "SYNTHVLM_%s_%s" (upper $.word) (upper $key)) (kindIs "string" $value | ternary $value (toJson $value)) -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}
