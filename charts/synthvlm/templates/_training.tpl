{{/* The pod of a training. Takes root, gpus, container (its name) and, for another image, image. */}}
{{- define "synthvlm.training.pod" -}}
{{- $c := mustMergeOverwrite (deepCopy .root.Values.defaults) (deepCopy .root.Values.training) (dict "gpus" .gpus) -}}
{{- with .image }}{{ $_ := set $c "image" . }}{{ end -}}
{{- include "synthvlm.pod" (dict
  "root" .root
  "name" "training"
  "c" $c
  "container" .container
  "command" (list "python3" "-m" "torch.distributed.run" "-m" "synthvlm.training")
  "labels" (dict "synthvlm.io/client" "true")
  "store" true
  "batch" true
) -}}
{{- end -}}

{{/* What steps tell Trainer: TrainerSettings of synthvlm/cluster/trainer_settings.py. */}}
{{- define "synthvlm.trainer" -}}
{{- $training := .Values.training -}}
{{- $settings := dict
  "kind" $training.kind
  "namespace" .Release.Namespace
  "grace_seconds" $training.graceSeconds
  "restarts" $training.maxRestarts
  "training" (include "synthvlm.trainer.shape" (dict "root" . "runtime" $training.runtime "value" "training.runtime") | fromYaml)
-}}
{{- if .Values.kueue.enabled }}{{ $_ := set $settings "queue" (include "synthvlm.queue" .) }}{{ end -}}
{{- with $training.priority }}{{ $_ := set $settings "priority" . }}{{ end -}}
{{- with $training.evaluation.runtime -}}
  {{- $shape := dict "root" $ "runtime" . "value" "training.evaluation.runtime" "image" $training.evaluation.image -}}
  {{- $_ := set $settings "evaluation" (include "synthvlm.trainer.shape" $shape | fromYaml) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* How one kind of job is run: JobShape. Takes root, runtime, value (where it is named) and, for another image, image. */}}
{{- define "synthvlm.trainer.shape" -}}
{{- $training := .root.Values.training -}}
{{- $runtime := get $training.runtimes .runtime | required (printf "%s: %q is not one of training.runtimes" .value .runtime) -}}
nodes: {{ $runtime.nodes }}
{{- if (get .root.Values.pools $training.pool).resource }}
processes_per_node: {{ $runtime.gpus }}
{{- end }}
{{- if eq $training.kind "TrainJob" }}
runtime: {{ include "synthvlm.fullname" .root }}-{{ .runtime }}
{{- with .image }}
image: {{ include "synthvlm.image" (dict "root" $.root "name" "evaluation" "c" (dict "image" .)) }}
{{- end }}
{{- else }}
{{- $pod := include "synthvlm.training.pod" (dict "root" .root "gpus" $runtime.gpus "container" "pytorch" "image" .image) | fromYaml }}
labels: {{- toYaml $pod.metadata.labels | nindent 2 }}
pod: {{- toYaml $pod.spec | nindent 2 }}
{{- end }}
{{- end -}}
