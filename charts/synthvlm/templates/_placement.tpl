{{/* Where pods run. Takes ctx (as of synthvlm.pod) and pool. */}}
{{- define "synthvlm.placement" -}}
{{- $ctx := .ctx -}}
{{- $class := include "synthvlm.priorityClass" (dict "root" $ctx.root "role" (ternary "batch" "serving" ($ctx.batch | default false))) -}}
{{- if and $class (not $ctx.early) }}
priorityClassName: {{ $class }}
{{- end }}
{{- with .pool.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with merge ($ctx.placed | default dict) .pool.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pool.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .pool.resourceClaims }}
resourceClaims: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not $ctx.batch }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels: {{- include "synthvlm.selector" $ctx | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "synthvlm.priorityClass" -}}
{{- $classes := .root.Values.priorityClasses -}}
{{- get $classes .role | default ($classes.create | ternary (printf "%s-%s" (include "synthvlm.fullname" .root) .role) "") -}}
{{- end -}}

{{/* Volumes and where they are mounted, together: entries of volumeMounts with the volume as `source`. */}}
{{- define "synthvlm.mounts" -}}
{{- $values := .root.Values -}}
- name: tmp
  mountPath: /tmp
  source: {emptyDir: {sizeLimit: {{ .c.scratch }}}}
{{- with .c.sharedMemory }}
- name: shm
  mountPath: /dev/shm
  source: {emptyDir: {medium: Memory, sizeLimit: {{ . }}}}
{{- end }}
{{- if and .c.weights (ne $values.weights.source "none") }}
- name: weights
  mountPath: {{ $values.weights.mountPath }}
  readOnly: true
  source: {{- include (printf "synthvlm.weights.%s" $values.weights.source) $values.weights | nindent 4 }}
{{- end }}
{{- if and .store $values.store.claim.enabled }}
- name: data
  mountPath: /data
  source:
    persistentVolumeClaim:
      claimName: {{ $values.store.claim.name | default (printf "%s-data" (include "synthvlm.fullname" .root)) }}
{{- end }}
{{- end -}}

{{- define "synthvlm.weights.claim" -}}
persistentVolumeClaim:
  claimName: {{ .claim }}
  readOnly: true
{{- end -}}

{{- define "synthvlm.weights.image" -}}
image:
  reference: {{ .image }}
  pullPolicy: IfNotPresent
{{- end -}}

{{- define "synthvlm.weights.download" -}}
emptyDir: {sizeLimit: {{ .download.size }}}
{{- end -}}

{{/* A mount of a Secret. Takes name, secret, and items by key. */}}
{{- define "synthvlm.secretMount" -}}
- name: {{ .name }}
  mountPath: /run/secrets/{{ .name }}
  readOnly: true
  source:
    secret:
      secretName: {{ .secret }}
      defaultMode: 288
      {{- with .items }}
      items: {{- range $key, $path := . }}
        - {key: {{ $key }}, path: {{ $path }}}
      {{- end }}
      {{- end }}
{{- end -}}
