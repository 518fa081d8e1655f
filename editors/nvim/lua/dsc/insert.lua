--- Taking a suggestion, or its beginning, into the buffer.
local M = {}

--- @class dsc.Suggestion
--- @field row integer from 0
--- @field start_column integer in bytes, where the suggestion's text begins
--- @field replaced integer how many bytes behind the cursor it replaces
--- @field text string lines end with \n
--- @field command? lsp.Command to be executed when it was taken
--- @field client_id integer

--- How much of a text `cut` takes; each begins at its start.
M.cuts = {
  all = function(text)
    return text
  end,
  --- Blanks and line breaks, and the word or the run of signs behind them.
  word = function(text)
    local word = vim.fn.matchstr(text, [[^\_s*\%(\k\+\|\%(\k\@!\S\)\+\)]])
    return word ~= '' and word or text
  end,
  --- The rest of a line; at the end of a line, the whole next one.
  line = function(text)
    return text:match('^\n*[^\n]*')
  end,
}

--- What is left of a suggestion at the cursor of the current window.
--- @return string? rest nil if something else was typed than it says
function M.rest(suggestion)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  if row - 1 ~= suggestion.row or column < suggestion.start_column then
    return nil
  end
  local typed = vim.api.nvim_get_current_line():sub(suggestion.start_column + 1, column)
  if not vim.startswith(suggestion.text, typed) then
    return nil
  end
  return suggestion.text:sub(#typed + 1)
end

--- The command by which a server of ours is told that a part was taken; nil for those of others.
--- @param whole lsp.Command what tells that the whole was
local function partly(whole, taken)
  if whole.command ~= 'dsc.accepted' then
    return nil
  end
  local number = whole.arguments[1]
  return { command = 'dsc.partiallyAccepted', arguments = { number, vim.fn.strutf16len(taken, 1) } }
end

--- @param command lsp.Command?
local function execute(client_id, command)
  local client = command and vim.lsp.get_client_by_id(client_id)
  if client then
    local params = { command = command.command, arguments = command.arguments }
    M.request(client, 'workspace/executeCommand', params, function() end)
  end
end

--- Inserts what `cut` takes of a suggestion at the cursor; one step for undo.
--- @return boolean inserted
function M.take(suggestion, cut)
  local rest = M.rest(suggestion)
  if not rest or rest == '' then
    return false
  end
  local taken = cut(rest)
  local row, column = suggestion.row, vim.api.nvim_win_get_cursor(0)[2]
  -- A part leaves what stands behind the cursor where it is.
  local replaced = taken == rest and suggestion.replaced or 0
  local end_column = math.min(column + replaced, #vim.api.nvim_get_current_line())
  local lines = vim.split(taken, '\n', { plain = true })
  M.close_undo_step()
  vim.api.nvim_buf_set_text(0, row, column, row, end_column, lines)
  local last = #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines, #lines == 1 and column + last or last })
  M.close_undo_step()
  if suggestion.command then
    local command = suggestion.command
    execute(suggestion.client_id, taken == rest and command or partly(command, taken))
  end
  return true
end

--- Undo goes back to here (|undo-close-block|).
function M.close_undo_step()
  vim.cmd('let &g:undolevels = &g:undolevels')
end

--- A request in the form of this version of Neovim.
--- @return integer? request_id
function M.request(client, method, params, handler, buffer)
  if vim.fn.has('nvim-0.11') == 1 then
    return select(2, client:request(method, params, handler, buffer))
  end
  return select(2, client.request(method, params, handler, buffer))
end

return M
