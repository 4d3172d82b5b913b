{{/*
The NetworkPolicy of a role. Takes root, name, and
  callers, ports   peers who may call, and on which ports
  scraped          whether Prometheus reads metrics from it
  reaches          keys of `networkPolicy` that it may call: store, database, apiServer, provider, telemetry
  calls            ports of workloads of this release that it may call, by component
  peers            whether its pods talk to one another, on any port
*/}}
{{- define "synthvlm.policy" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- if $policy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "synthvlm.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "synthvlm.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if or .ports .scraped .peers }}
  ingress:
    {{- if .peers }}
    - from:
        - podSelector:
            matchLabels: {{- include "synthvlm.selector" . | nindent 14 }}
    {{- end }}
    {{- with .ports }}
    - from: {{- toYaml $.callers | nindent 8 }}
      ports: {{- include "synthvlm.tcp" . | nindent 8 }}
    {{- end }}
    {{- if .scraped }}
    - from: {{- toYaml $policy.monitoring | nindent 8 }}
      ports: {{- include "synthvlm.tcp" (list 9090) | nindent 8 }}
    {{- end }}
  {{- end }}
  {{- if or .reaches .calls .peers }}
  egress:
    {{- if .peers }}
    - to:
        - podSelector:
            matchLabels: {{- include "synthvlm.selector" . | nindent 14 }}
    {{- end }}
    {{- range .reaches }}
    - to: {{- toYaml (get $policy .).to | nindent 8 }}
      ports: {{- include "synthvlm.tcp" (get $policy .).ports | nindent 8 }}
    {{- end }}
    {{- range $component, $port := .calls }}
    - to:
        - podSelector:
            matchLabels: {{- include "synthvlm.selector" (dict "root" $.root "name" $component) | nindent 14 }}
      ports: {{- include "synthvlm.tcp" (list $port) | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "synthvlm.tcp" -}}
{{- $ports := list -}}
{{- range . }}{{ $ports = append $ports (dict "protocol" "TCP" "port" (int .)) }}{{ end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* Who may call services: pods that say so, and the peers of the values. */}}
{{- define "synthvlm.callers" -}}
- podSelector: {matchLabels: {synthvlm.io/client: "true"}}
{{- with .Values.networkPolicy.clients }}
{{ toYaml . }}
{{- end }}
{{- end -}}
