{{/* Puts the services that are enabled into the dict `into`: for each its values over `defaults`. */}}
{{- define "synthvlm.services" -}}
{{- range $name, $values := .root.Values.services -}}
{{- $c := mustMergeOverwrite (deepCopy $.root.Values.defaults) (deepCopy $values) -}}
{{- if $c.enabled }}{{ $_ := set $.into $name $c }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* What workloads that serve have in common besides their pods. Each takes root, name and c. */}}

{{- define "synthvlm.rollout" -}}
{{- $surge := int (get .root.Values.pools .c.pool | default dict).surge -}}
{{- /* Never two processes on one SQLite file's schema. */}}
{{- if and (has .name (list "dataset" "review")) (hasPrefix "sqlite" .root.Values.catalogue.database) }}{{ $surge = 0 }}{{ end -}}
revisionHistoryLimit: 5
# Longer than a start may take, so that a slow one is not reported as failed.
progressDeadlineSeconds: {{ add .c.startupSeconds 300 }}
strategy:
  rollingUpdate:
    maxSurge: {{ $surge }}
    maxUnavailable: {{ ternary 0 1 (gt $surge 0) }}
{{- end -}}

{{- define "synthvlm.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "synthvlm.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready, for example one that waits for a GPU, never holds a drain up.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "synthvlm.selector" . | nindent 6 }}
{{- end -}}

{{/* Mounts of certificate (the Secret `tls`) and token. */}}
{{- define "synthvlm.credentials" -}}
{{- $values := .root.Values -}}
{{- if $values.tls.enabled }}
{{ include "synthvlm.secretMount" (dict "name" "tls" "secret" .tls) }}
{{- end }}
{{- with $values.auth.tokenSecret }}
{{ include "synthvlm.secretMount" (dict "name" "token" "secret" . "items" (dict $values.auth.tokenKey "token")) }}
{{- end }}
{{- end -}}

{{/* Mounts of what a service asks about its callers with: a right of its own at the API server, and authorities. */}}
{{- define "synthvlm.reviewers" -}}
{{- $auth := .Values.auth -}}
{{- if $auth.kubernetes.audience }}
- name: kubernetes
  mountPath: /run/secrets/kubernetes
  readOnly: true
  source:
    projected:
      defaultMode: 288
      sources:
        - serviceAccountToken: {path: token, expirationSeconds: 3600}
        - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- if and $auth.oidc.issuer $auth.oidc.caSecret }}
{{ include "synthvlm.secretMount" (dict "name" "provider" "secret" $auth.oidc.caSecret "items" (dict "ca.crt" "ca.crt")) }}
{{- end }}
{{- end -}}

{{/* A caller's token of its own ServiceAccount, for the services of this release alone. */}}
{{- define "synthvlm.callerToken" -}}
- name: token
  mountPath: /run/secrets/token
  readOnly: true
  source:
    projected:
      defaultMode: 288
      sources:
        - serviceAccountToken: {path: token, audience: {{ .Values.auth.kubernetes.audience | quote }}, expirationSeconds: 3600}
{{- end -}}

{{- define "synthvlm.databaseMount" -}}
{{- $catalogue := .Values.catalogue -}}
{{- include "synthvlm.secretMount" (dict "name" "database" "secret" $catalogue.passwordSecret "items" (dict $catalogue.passwordKey "password")) -}}
{{- end -}}
