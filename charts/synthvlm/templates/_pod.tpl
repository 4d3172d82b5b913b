{{/*
The pod of any workload. Takes a dict:
  root, name, c        as in _helpers.tpl
  command, ports       of the container; ports by name
  container            its name, where that is not the workload's
  probe                a probe's handler; empty for pods that end by themselves
  env                  further environment variables, by name
  mounts               further entries as of synthvlm.mounts
  store                whether the pod reaches the object store
  batch                whether the pod ends by itself
  early                whether it runs before the rest of the release exists
  placed               further node labels
  labels, checksum     further labels; what restarts the pods when it changes
*/}}
{{- define "synthvlm.pod" -}}
{{- $values := .root.Values -}}
{{- $c := .c -}}
{{- $pool := get $values.pools $c.pool | required (printf "the pool %q of %s is not one of `pools`" $c.pool .name) -}}
{{- $mounts := concat (include "synthvlm.mounts" . | fromYamlArray) (.mounts | default list) -}}
metadata:
  labels:
    {{- include "synthvlm.selector" . | nindent 4 }}
    {{- with .labels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- if or $c.podAnnotations .checksum }}
  annotations:
    {{- with $c.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
    {{- with .checksum }}
    checksum/settings: {{ sha256sum . }}
    {{- end }}
  {{- end }}
spec:
  serviceAccountName: {{ include "synthvlm.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.images.pullSecrets }}
  imagePullSecrets: {{- range . }}{{ dict "name" . | list | toYaml | nindent 4 }}{{- end }}
  {{- end }}
  {{- if .batch }}
  restartPolicy: Never
  {{- else }}
  terminationGracePeriodSeconds: {{ add (ceil (default 0 $c.config.drain_seconds)) $c.preStopSeconds 15 }}
  {{- end }}
  {{- include "synthvlm.placement" (dict "ctx" . "pool" $pool) | nindent 2 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- if and $c.weights (eq $values.weights.source "download") }}
  initContainers: {{- include "synthvlm.downloads" (merge (dict "store" true) .) | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .container | default .name }}
      image: {{ include "synthvlm.image" . }}
      imagePullPolicy: {{ $values.images.pullPolicy }}
      command: {{- toYaml .command | nindent 8 }}
      {{- include "synthvlm.access" . | nindent 6 }}
      {{- with .ports }}
      ports: {{- range $name, $port := . }}{{ dict "name" $name "containerPort" $port | list | toYaml | nindent 8 }}{{- end }}
      {{- end }}
      {{- with .probe }}
      startupProbe: {{- merge (dict "periodSeconds" 5 "failureThreshold" (ceil (divf $c.startupSeconds 5) | int)) . | toYaml | nindent 8 }}
      readinessProbe: {{- merge (dict "periodSeconds" 5 "timeoutSeconds" 3) . | toYaml | nindent 8 }}
      livenessProbe: {{- merge (dict "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6) . | toYaml | nindent 8 }}
      lifecycle:
        preStop: {sleep: {seconds: {{ $c.preStopSeconds }}}}
      {{- end }}
      resources: {{- include "synthvlm.resources" (dict "c" $c "pool" $pool) | nindent 8 }}
      volumeMounts: {{- range $mounts }}{{ omit . "source" | list | toYaml | nindent 8 }}{{- end }}
  volumes: {{- range $mounts }}{{ merge (dict "name" .name) .source | list | toYaml | nindent 4 }}{{- end }}
{{- end -}}

{{/* Fills the volume of weights: a container for each source, one after the other, or a program of the values. */}}
{{- define "synthvlm.downloads" -}}
{{- $values := .root.Values -}}
{{- $download := $values.weights.download -}}
{{- $generation := mustMergeOverwrite (deepCopy $values.defaults) (deepCopy $values.services.generation) -}}
{{- $image := $download.image | default (include "synthvlm.image" (dict "root" .root "name" "generation" "c" $generation)) -}}
{{- $commands := list -}}
{{- range $source := $download.sources -}}
  {{- $command := list "python3" "-m" "synthvlm.weights" $source.from "--to" (printf "%s/%s" $values.weights.mountPath $source.to) -}}
  {{- with $source.digest }}{{ $command = concat $command (list "--digest" .) }}{{ end -}}
  {{- range $source.only }}{{ $command = concat $command (list "--only" .) }}{{ end -}}
  {{- $commands = append $commands $command -}}
{{- end -}}
{{- with $download.command }}{{ $commands = list . }}{{ end -}}
{{- range $number, $command := $commands }}
- name: download-{{ $number }}
  image: {{ $image }}
  imagePullPolicy: {{ $values.images.pullPolicy }}
  command: {{- toYaml $command | nindent 4 }}
  {{- include "synthvlm.access" $ | nindent 2 }}
  resources:
    requests: {cpu: 500m, memory: 512Mi}
    limits: {memory: 2Gi}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: weights, mountPath: {{ $values.weights.mountPath }}}
{{- end }}
{{- end -}}

{{/* Environment and rights of every container. Variables are a map, so that no name appears twice. */}}
{{- define "synthvlm.access" -}}
{{- $values := .root.Values -}}
{{- $stored := .store | default false -}}
{{- $env := mergeOverwrite (dict "HOME" "/tmp") (ternary $values.store.env dict $stored) (.env | default dict) .c.env -}}
{{- $secrets := ternary (prepend .c.envFromSecrets $values.store.credentialsSecret | compact) .c.envFromSecrets $stored -}}
env: {{- range $name, $value := $env }}
  - {name: {{ $name }}, value: {{ toString $value | quote }}}
{{- end }}
{{- with $secrets }}
envFrom: {{- range uniq . }}
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "synthvlm.resources" -}}
{{- $resources := deepCopy .c.resources -}}
{{- with .pool.resource -}}
  {{- $_ := mustMergeOverwrite $resources (dict "limits" (dict . $.c.gpus)) -}}
{{- end -}}
{{- with .pool.resourceClaims -}}
  {{- $claims := list -}}
  {{- range . }}{{ $claims = append $claims (dict "name" .name) }}{{ end -}}
  {{- $_ := set $resources "claims" $claims -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
