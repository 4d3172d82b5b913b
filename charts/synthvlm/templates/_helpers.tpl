{{/* Names, labels and images. Most take a dict: root (the top context), name (the workload), c (its values). */}}

{{- define "synthvlm.fullname" -}}
{{- $base := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- .Values.fullnameOverride | default $base | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "synthvlm.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "synthvlm.labels" -}}
{{ include "synthvlm.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "synthvlm.metadata" -}}
name: {{ include "synthvlm.fullname" .root }}-{{ .name }}
labels: {{- include "synthvlm.labels" . | nindent 2 }}
{{- end -}}

{{- define "synthvlm.image" -}}
{{- $images := .root.Values.images -}}
{{- $image := .c.image -}}
{{- $name := $image.name | default (printf "synthvlm/%s" .name) -}}
{{- with $images.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $name }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $images.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end -}}

{{- define "synthvlm.serviceAccount" -}}
{{ .c.serviceAccount.name | default (printf "%s-%s" (include "synthvlm.fullname" .root) .name) }}
{{- end -}}

{{/* What callers dial: every replica is an address of the headless Service. */}}
{{- define "synthvlm.address" -}}
dns:///{{ include "synthvlm.host" . }}:50051
{{- end -}}

{{- define "synthvlm.host" -}}
{{ include "synthvlm.fullname" .root }}-{{ .name }}.{{ .root.Release.Namespace }}.svc
{{- end -}}

{{- define "synthvlm.queue" -}}
{{ .Values.kueue.queue | default (printf "%s-batch" (include "synthvlm.fullname" .)) }}
{{- end -}}

{{/* The callers' certificate: Secret with tls.crt, tls.key and ca.crt. */}}
{{- define "synthvlm.clientSecret" -}}
{{ .Values.tls.clientSecret | default .Values.tls.existingSecret | default (printf "%s-client-tls" (include "synthvlm.fullname" .)) }}
{{- end -}}
