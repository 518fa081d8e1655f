;;; dsc-mode.el --- Ghost text under eglot -*- lexical-binding: t; -*-

;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Eglot (1.17) knows nothing of `textDocument/inlineCompletion'.  `dsc-mode' asks for it through
;; eglot's connection and shows the answer in an overlay.

;;; Code:

(require 'dsc)
(require 'eglot)
(require 'seq)

(defgroup dsc-mode nil
  "Ghost text under eglot."
  :group 'dsc)

(defcustom dsc-mode-delay 0.05
  "Seconds without a key after which the server is asked."
  :type 'number)

(defface dsc-ghost-text '((t :inherit shadow :slant italic))
  "Ghost text.")

(cl-defstruct (dsc--suggestion (:constructor dsc--suggestion))
  start     ; position in the buffer where the text begins
  replaced  ; how many characters behind point it replaces
  text
  command)

(defvar-local dsc--suggestions nil "What is offered.")
(defvar-local dsc--chosen 0 "Which of `dsc--suggestions' is shown.")
(defvar-local dsc--all nil "Whether alternatives were asked for: a server makes them on purpose only.")
(defvar-local dsc--overlay nil "The overlay with the ghost text, or nil.")
(defvar-local dsc--timer nil "The timer that asks.")
(defvar-local dsc--place nil "Tick and point at the last command.")

;;;; Keys

(defvar-keymap dsc-active-map
  :doc "Keys while ghost text is shown."
  "TAB" #'dsc-accept
  "<tab>" #'dsc-accept
  "<remap> <forward-word>" #'dsc-accept-word
  "<remap> <move-end-of-line>" #'dsc-accept-line
  "M-n" #'dsc-next
  "M-p" #'dsc-previous
  "C-g" #'dsc-dismiss)

(defvar-local dsc--keys nil "Whether `dsc-active-map' has the keys.")
(add-to-list 'emulation-mode-map-alists `((dsc--keys . ,dsc-active-map)))

;;;###autoload
(define-minor-mode dsc-mode
  "Show what the language server would write as ghost text behind point.
While it is shown there are keys for it: see `dsc-active-map'."
  :lighter " dsc"
  (cond
   (dsc-mode
    (setq dsc--place (dsc--place-now))
    (add-hook 'post-command-hook #'dsc--after-command nil t)
    (when (and (called-interactively-p 'any) (not (dsc--is-served)))
      (message "dsc: no language server with ghost text has this buffer yet; try M-x eglot%s"
               (if buffer-file-name "" " in a buffer that visits a file"))))
   (t
    (remove-hook 'post-command-hook #'dsc--after-command t)
    (dsc--forget))))

(defun dsc-accept ()
  "Take the whole suggestion."
  (interactive)
  (dsc--take #'identity))

(defun dsc-accept-word ()
  "Take the suggestion's next word."
  (interactive)
  (dsc--take #'dsc--first-word))

(defun dsc-accept-line ()
  "Take the rest of the suggestion's line.
At the end of a line, it is the whole next one."
  (interactive)
  (dsc--take #'dsc--first-line))

(defun dsc-next ()
  "Show the next suggestion, or one if none is shown; the server is asked for others."
  (interactive)
  (dsc--choose 1))

(defun dsc-previous ()
  "Show the suggestion before."
  (interactive)
  (dsc--choose -1))

(defun dsc-dismiss ()
  "Take the ghost text from sight."
  (interactive)
  (dsc--forget))

;;;; Taking

(defun dsc--take (cut)
  "Insert what CUT takes of the suggestion; one step for undo."
  (when-let* ((suggestion (nth dsc--chosen dsc--suggestions))
              (rest (dsc--rest suggestion))
              (taken (funcall cut rest)))
    (dsc--hide)
    (undo-boundary)
    (when (equal taken rest)
      (setq dsc--suggestions nil)
      ;; A part leaves what stands behind point where it is.
      (delete-region (point) (min (line-end-position)
                                  (+ (point) (dsc--suggestion-replaced suggestion)))))
    (insert taken)
    (undo-boundary)
    (let ((whole (dsc--suggestion-command suggestion)))
      (dsc--execute (if (equal taken rest)
                        whole
                      (dsc--partly (plist-get whole :command)
                                   (plist-get whole :arguments) taken))))))

(defun dsc--execute (command)
  "Let the server execute a COMMAND, if there is one."
  (when command
    (jsonrpc-async-request (eglot-current-server) :workspace/executeCommand
                           (list :command (plist-get command :command)
                                 :arguments (or (plist-get command :arguments) []))
                           :success-fn #'ignore :error-fn #'ignore)))

(defun dsc--rest (suggestion)
  "Return what is left of a SUGGESTION at point, nil if something else was typed."
  (let ((start (dsc--suggestion-start suggestion))
        (text (dsc--suggestion-text suggestion)))
    (when (<= start (point))
      (let ((typed (buffer-substring-no-properties start (point))))
        (when (and (string-prefix-p typed text) (length< typed (length text)))
          (substring text (length typed)))))))

;;;; Showing

(defun dsc--show (&optional count)
  "Show what is left of the chosen suggestion, with a COUNT; return whether there is anything."
  (dsc--hide)
  (when-let* ((suggestion (nth dsc--chosen dsc--suggestions))
              (rest (dsc--rest suggestion)))
    (let ((text (propertize
                 (if (and count (length> dsc--suggestions 1))
                     (format "%s (%d/%d)" rest (1+ dsc--chosen) (length dsc--suggestions))
                   (copy-sequence rest))
                 'face 'dsc-ghost-text)))
      ;; Point stands before the text.
      (put-text-property 0 1 'cursor t text)
      (setq dsc--overlay (make-overlay (point) (point) nil t))
      (overlay-put dsc--overlay 'after-string text)
      (setq dsc--keys t))))

(defun dsc--hide ()
  "Take the ghost text from sight and give the keys back."
  (setq dsc--keys nil)
  (when dsc--overlay
    (delete-overlay dsc--overlay)
    (setq dsc--overlay nil)))

(defun dsc--forget ()
  "Forget what is offered and what is about to be asked."
  (when dsc--timer
    (cancel-timer dsc--timer)
    (setq dsc--timer nil))
  (setq dsc--suggestions nil
        dsc--all nil)
  (dsc--hide))

(defun dsc--choose (step)
  "Show the suggestion that is STEP further; ask for alternatives first."
  (cond
   ((not (dsc--is-served))
    (user-error "No language server with ghost text has this buffer"))
   ((and dsc--all dsc--suggestions)
    (setq dsc--chosen (mod (+ dsc--chosen step) (length dsc--suggestions)))
    (dsc--show t))
   (t
    (dsc--ask (current-buffer) (dsc--place-now) step))))

;;;; Asking

(defun dsc--place-now ()
  "Return what changes with the text and with point."
  (cons (buffer-chars-modified-tick) (point)))

(defun dsc--after-command ()
  "Keep up with what the last command did."
  (let ((place (dsc--place-now)))
    (unless (equal place dsc--place)
      (let ((edited (/= (car place) (car dsc--place))))
        (setq dsc--place place)
        (cond
         ;; What was typed along a suggestion leaves the rest of it.
         ((and edited (dsc--show)))
         (t
          (dsc--forget)
          (when edited
            (setq dsc--timer
                  (run-with-timer dsc-mode-delay nil #'dsc--ask (current-buffer) place)))))))))

(defun dsc--is-served ()
  "Return whether a server with ghost text has this buffer."
  (and (eglot-managed-p) (eglot-server-capable :inlineCompletionProvider)))

(defun dsc--ask (buffer place &optional step)
  "Ask for suggestions in a BUFFER, unless it has left a PLACE.
With a STEP alternatives are wanted, and the one so many further than what is shown."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (setq dsc--timer nil)
      (when (and dsc-mode (dsc--is-served) (equal place (dsc--place-now)) (not buffer-read-only))
        ;; The server must know the text that it is asked about.
        (eglot--signal-textDocument/didChange)
        (jsonrpc-async-request
         (eglot-current-server) :textDocument/inlineCompletion
         (append (eglot--TextDocumentPositionParams)
                 (list :context (list :triggerKind (if step 1 2))))
         :success-fn (lambda (answer) (dsc--answered buffer place answer step))
         ;; Cancelled: a newer request has taken its place.
         :error-fn #'ignore
         :timeout-fn #'ignore)))))

(defun dsc--answered (buffer place answer step)
  "Show the ANSWER for a PLACE in a BUFFER, unless it is no more.
With a STEP show the suggestion so many further than what is shown, if there is any."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (let ((items (if (vectorp answer) answer (plist-get answer :items))))
        (when (and dsc-mode
                   (equal place (dsc--place-now))
                   ;; Whom nothing more is said keeps what is there.
                   (or (null step) (length> items 0)))
          (setq dsc--chosen (if (and step dsc--suggestions) (mod step (length items)) 0)
                dsc--all (and step t)
                dsc--suggestions (mapcar #'dsc--suggestion-of items))
          (dsc--show step))))))

(defun dsc--suggestion-of (item)
  "Return the suggestion that an ITEM of the protocol is."
  (let* ((range (plist-get item :range))
         (region (if range (eglot-range-region range) (cons (point) (point))))
         (text (plist-get item :insertText)))
    (dsc--suggestion
     :start (car region)
     :replaced (- (cdr region) (point))
     :text (string-replace "\r\n" "\n" (if (stringp text) text (plist-get text :value)))
     :command (plist-get item :command))))

(provide 'dsc-mode)
;;; dsc-mode.el ends here
